// Draw a digit, or take a test image and spoil it: every run's network says where it lands, what it takes it for, and which
// test images lie next to it. Fetched when it is first opened.

import { SketchPad } from "./sketch-pad.js";
import { coordinate, percent } from "./format.js";
import { h, press, say } from "./dom.js";
import { imageUrl } from "./images.js";
import { perturb } from "./perturb.js";
import { reportAt } from "./fold.js";

const SIDE = 28;
const SLIDERS = [
  { name: "degrees", label: "Turn", min: -90, max: 90, step: 1, unit: "°" },
  { name: "right", label: "Move right", min: -8, max: 8, step: 0.5, unit: " px" },
  { name: "down", label: "Move down", min: -8, max: 8, step: 0.5, unit: " px" },
  { name: "noise", label: "Noise", min: 0, max: 0.6, step: 0.01, unit: "" },
];

export class DrawPanel {
  #on;
  #mode = "draw";
  #image = null; // {index, label, pixels} of the test image taken
  #epoch = 0;
  #open = false;
  #key = "";
  #busy = false;
  #again = false;
  #byHand = false; // whether the reader changed what is asked about since it was told
  #told = ""; // what the networks took it for then

  /** `comparison`: the one whose networks look at the drawing. */
  constructor(element, comparison) {
    const { panels } = comparison;
    const test = () => comparison.split === "test";
    const on = {
      /** The address of a test image, null as long as no run knows which images these are. */
      source: (index) => comparison.data && imageUrl(comparison.data, "test", index),
      mark: (index) => test() && comparison.mark(index),
      /** The image under the pointer, −1 for none. */
      marked: () => (test() ? (comparison.marked ?? -1) : -1),
      total: () => comparison.data?.test_images ?? 0,
      announce: (text) => comparison.announce(text),
    };
    this.element = element;
    this.panels = panels;
    this.#on = on;
    this.pad = new SketchPad(() => this.#ask());
    this.seen = h("canvas", { class: "seen", width: SIDE, height: SIDE, role: "img", "aria-label": "What the networks see" });
    this.time = h("small", { class: "muted" });
    this.hint = h("p", { class: "muted" });
    this.modes = [
      ["draw", "Draw"],
      ["image", "Test image"],
    ].map(([mode, text]) => h("button", { type: "button", "data-mode": mode, onclick: () => this.#setMode(mode) }, text));
    this.index = h("input", { type: "number", min: "0", step: "1", "aria-label": "Number of the test image", onchange: () => this.take(this.index.valueAsNumber) });
    this.sliders = SLIDERS.map(({ name, label, min, max, step, unit }) => {
      const output = h("output");
      const input = h("input", { type: "range", name, min, max, step, value: 0, oninput: () => this.#ask() });
      return { name, input, unit, output, element: h("label", {}, h("span", {}, label), input, output) };
    });
    this.controls = {
      draw: h("button", { type: "button", onclick: () => this.clear() }, "Clear"),
      image: h(
        "div",
        { class: "spoil" },
        h(
          "div",
          { class: "pick-image" },
          h("span", {}, "#"),
          this.index,
          h("button", { type: "button", class: "small", onclick: () => this.#takeRandom() }, "Random"),
          h("button", { type: "button", class: "small", onclick: () => this.#straighten() }, "As it was"),
        ),
        this.sliders.map((slider) => slider.element),
      ),
    };
    this.results = panels.map((panel) => new Result(panel, on));
    element.replaceChildren(
      h("div", { class: "draw-input" }, h("div", { class: "segments" }, this.modes), this.pad.element, this.controls.draw, this.controls.image),
      h("div", { class: "draw-seen" }, this.seen, h("span", {}, "what the networks see"), this.time),
      h("div", { class: "draw-results" }, this.hint, this.results.map((result) => result.element)),
    );
    for (const panel of panels) this.#takeClicks(panel.plot);
    this.#setMode("draw");
  }

  /** A click on a point takes its image; a drag doesn't. */
  #takeClicks(plot) {
    let down = null;
    plot.addEventListener("pointerdown", (event) => (down = [event.clientX, event.clientY]));
    plot.addEventListener("click", (event) => {
      const index = this.#on.marked();
      const still = down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 5;
      if (this.#open && still && index >= 0 && !event.shiftKey) this.take(index);
    });
  }

  /** The clock shows `epoch`; `open`: whether the panel is. */
  update(epoch, open) {
    this.#epoch = epoch;
    this.#open = open;
    this.index.max = Math.max(0, this.#on.total() - 1);
    const key = open ? this.panels.map((panel) => reportAt(panel.run, epoch)?.epoch ?? 0).join() : "";
    if (key === this.#key) return;
    this.#key = key;
    if (open) this.#ask(false);
    else this.#forget();
  }

  #setMode(mode) {
    this.#mode = mode;
    for (const button of this.modes) press(button, button.dataset.mode === mode);
    this.pad.element.hidden = mode !== "draw";
    for (const [name, element] of Object.entries(this.controls)) element.hidden = name !== mode;
    if (mode === "image" && !this.#image) this.#takeRandom();
    else this.#ask();
  }

  clear() {
    this.pad.clear();
    this.#ask();
  }

  #takeRandom() {
    const total = this.#on.total();
    if (total) this.take(Math.floor(Math.random() * total));
  }

  /** Takes test image `index`, as it is. */
  async take(index) {
    const source = this.#on.source(index);
    if (!source) return;
    try {
      this.#image = { index, pixels: await greyPixels(source) };
      this.#told = "";
    } catch {
      return say(this.hint, `Test image ${index} could not be loaded: choose one from 0 to ${this.#on.total() - 1}.`);
    }
    this.index.value = index;
    for (const { input } of this.sliders) input.value = 0;
    this.#setMode("image");
  }

  #straighten() {
    for (const { input } of this.sliders) input.value = 0;
    this.#ask();
  }

  /** The bytes to ask about, null while there are none. */
  #input() {
    if (this.#mode === "draw") {
      // The first touch of a pen may leave nothing yet.
      const pixels = this.pad.empty ? null : this.pad.pixels();
      return pixels?.some((grey) => grey > 0) ? pixels : null;
    }
    for (const { input, output, unit } of this.sliders) say(output, `${input.value.replace("-", "−")}${unit}`);
    if (!this.#image) return null;
    const asked = Object.fromEntries(this.sliders.map(({ name, input }) => [name, input.valueAsNumber]));
    return perturb(this.#image.pixels, { ...asked, seed: this.#image.index + 1 });
  }

  #forget() {
    this.seen.getContext("2d").clearRect(0, 0, SIDE, SIDE);
    say(this.time, "");
    this.#told = "";
    for (const result of this.results) result.forget();
    say(this.hint, this.#mode === "draw" ? "Draw a digit: it is centred and sized as MNIST's are, and every network looks at it while you draw. Or click a point to take its image." : "Choose a test image by its number, or click a point.");
  }

  /**
   * Asks every network about what is there now. While one answer is under way, only the newest question waits. `byHand`: by
   * the reader's doing, not the clock's.
   */
  async #ask(byHand = true) {
    if (!this.#open) return;
    this.#byHand ||= byHand;
    if (this.#busy) return void (this.#again = true);
    const bytes = this.#input();
    if (!bytes) return this.#forget();
    this.#busy = true;
    say(this.hint, "");
    const started = performance.now();
    const answers = await this.#answers(bytes);
    const ms = Math.round(performance.now() - started);
    this.#busy = false;
    if (this.#again) {
      this.#again = false;
      this.#ask(false);
      if (!this.#busy) return; // there is nothing to ask about any more
    }
    if (!this.#open) return;
    if (!this.#busy && this.#byHand) this.#tell(answers);
    // All in one frame: to draw the first would hold up those that are still to come.
    this.results.forEach((result, r) => result.show(answers[r], !this.#busy));
    const seen = answers.find((answer) => answer?.pixels);
    if (!seen) return;
    say(this.time, `${ms} ms`);
    const context = this.seen.getContext("2d");
    const image = context.createImageData(SIDE, SIDE);
    seen.pixels.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i));
    context.putImageData(image, 0, 0);
  }

  /** What every network says, with the pixels that it saw, or {problem}; null before a run's first epoch, or where its points are not shown. */
  async #answers(bytes) {
    const reports = this.panels.map((panel) => (panel.refused ? null : reportAt(panel.run, this.#epoch)));
    const asked = this.panels.filter((_, r) => reports[r]).map((panel) => panel.run.id);
    if (!asked.length) return reports;
    const drawing = this.#mode === "draw" ? "&drawing=1" : "";
    const response = await fetch(`/compare/predict?runs=${asked}&epoch=${this.#epoch}${drawing}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream", Accept: "application/json" },
      body: bytes,
    }).catch(() => null);
    const told = await response?.json().catch(() => null);
    const problem = told?.detail ?? "The server does not answer: try again when it is back.";
    const answers = response?.ok && told ? told.answers : asked.map(() => ({ problem }));
    return reports.map((report) => report && { ...answers.shift(), pixels: told?.pixels, asked: report.epoch });
  }

  /** Says what the networks take it for, where that is news. */
  #tell(answers) {
    const taken = this.results.flatMap(({ panel }, r) => (answers[r]?.probabilities ? `${panel.label}: ${answers[r].prediction}` : [])).join(", ");
    this.#byHand = false;
    if (taken !== this.#told) this.#on.announce(taken);
    this.#told = taken;
  }

  /** What was asked last, and the answers once all are there, for tests. */
  inspect() {
    return { mode: this.#mode, image: this.#image?.index ?? null, answers: this.results.map((result) => (this.#busy ? null : result.answer)) };
  }
}

/** What one run's network says. */
class Result {
  answer = null;

  constructor(panel, on) {
    this.panel = panel;
    this.on = on;
    this.title = h("b");
    this.note = h("small", { class: "muted" });
    this.bars = Array.from({ length: 10 }, (_, k) => h("i", { class: `class-${k}` }));
    this.chart = h("div", { class: "chances", role: "img" }, this.bars.map((bar, k) => h("span", {}, h("span", { class: "chance" }, bar), h("small", {}, String(k)))));
    this.near = h("div", { class: "near", "aria-label": "Nearest test images", role: "list" });
    this.element = h(
      "div",
      { class: "draw-result", hidden: true },
      h("h2", {}, h("i", { class: `glyph run-${panel.index}`, "aria-hidden": "true" }), h("span", { title: panel.run.name }, panel.label), this.title),
      this.chart,
      this.near,
      this.note,
    );
  }

  /** `last`: nothing newer has been asked meanwhile, whose answer would wait behind the images of the neighbours. */
  show(answer, last) {
    if (!answer || answer.problem) {
      this.forget();
      this.element.hidden = !answer;
      this.note.hidden = false;
      return say(this.note, answer?.problem ?? "");
    }
    this.answer = answer;
    const { prediction, probabilities, nearest, embedding, asked } = answer;
    this.element.hidden = this.chart.hidden = this.near.hidden = false;
    say(this.title, `${prediction} · ${percent(probabilities[prediction], 1)}`);
    this.chart.setAttribute("aria-label", probabilities.map((p, k) => `${k}: ${percent(p, 1)}`).join(", "));
    this.bars.forEach((bar, k) => {
      bar.style.transform = `scaleY(${probabilities[k]})`;
      bar.parentElement.parentElement.title = `${k}: ${percent(probabilities[k], 2)}`;
    });
    // The neighbours' pictures come when the answer is on the screen: to lay them out and to fetch them would hold it up.
    if (last) requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => this.answer === answer && this.#showNear(nearest))));
    this.note.hidden = answer.epoch === asked;
    say(this.note, this.note.hidden ? "" : `from the checkpoint of epoch ${answer.epoch}: none of epoch ${asked} is kept`);
    this.panel.setGuest({ place: embedding, label: prediction });
  }

  #showNear(nearest) {
    this.near.replaceChildren(
      ...nearest.map(({ index, label, distance }) =>
        h("img", {
          role: "listitem",
          class: label === null ? null : `class-${label}`,
          src: this.on.source(index),
          alt: label === null ? `image ${index}` : `image ${index}, a ${label}`,
          title: `#${index}${label === null ? "" : `: ${label}`}, ${coordinate(distance)} away`,
          width: SIDE,
          height: SIDE,
          onpointerenter: () => this.on.mark(index),
          // A finger is lifted to look at what it marked.
          onpointerleave: (event) => event.pointerType !== "touch" && this.on.mark(-1),
        }),
      ),
    );
  }

  forget() {
    this.answer = null;
    this.element.hidden = this.chart.hidden = this.near.hidden = true;
    say(this.note, "");
    say(this.title, "");
    this.panel.setGuest(null);
  }
}

/** The grey values of an image of the server. */
async function greyPixels(source) {
  const response = await fetch(source);
  if (!response.ok) throw new Error(`${source} answered ${response.status}`);
  const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => data[4 * i]);
}
