// The panel about the selection: how it came about, what it holds, how each run does on it, its images, and what can be
// done with it. Loaded when something is first selected.

import { Strip } from "./strip.js";
import { cell } from "./csv.js";
import { download, h, say } from "./dom.js";
import { compact, grouped, percent } from "./format.js";
import { WORDS, describeRule } from "./rule-words.js";
import { anything, asksNothing } from "./rules.js";

/** Which images can be selected. */
const SETS = {
  test: "Images of the test set: no network was trained on them",
  train: "Images that the networks are trained on; a run may take only the first so many of the training set",
};

/** How many of the picked images bear each label: [10 counts]. Pure. */
export function countLabels(indices, labels) {
  const counts = new Array(10).fill(0);
  for (const i of indices) counts[labels[i]]++;
  return counts;
}

/** How a run does on the picked images after the shown epoch: {seen, right, distance: mean to the learned center}. Pure. */
export function measureOn(indices, { embedding, labels, report }) {
  const { guesses } = embedding;
  const { centers } = report.geometry;
  let seen = 0;
  let right = 0;
  let distance = 0;
  let placed = 0;
  for (const i of indices) {
    if (i >= embedding.n) continue;
    seen++;
    if (guesses[i] === labels[i]) right++;
    const [cx, cy] = centers[labels[i]];
    const d = Math.hypot(embedding.x[i] - cx, embedding.y[i] - cy);
    if (!Number.isFinite(d)) continue;
    placed++;
    distance += d;
  }
  return { seen, right: seen ? right / seen : NaN, distance: placed ? distance / placed : NaN };
}

/** The picked images as CSV: index, label, then what each run ([{name, shown}…]) makes of them. Pure. */
export function toCsv(indices, labels, runs) {
  // Training images have no prediction of the epoch's network.
  const judged = runs.every(({ shown }) => shown.split !== "train");
  const columns = judged ? ["prediction", "x", "y"] : ["x", "y"];
  const head = runs.flatMap(({ name, shown }) => columns.map((what) => cell(`${name} epoch ${shown.epoch} ${what}`)));
  const values = { prediction: ({ guesses }, i) => guesses[i], x: ({ x }, i) => x[i], y: ({ y }, i) => y[i] };
  const lines = indices.map((i) => [i, labels[i], ...runs.flatMap(({ shown }) => columns.map((what) => values[what](shown.embedding, i) ?? ""))].join());
  return [["index", "label", ...head].join(), ...lines].join("\n") + "\n";
}

export class SelectionPanel {
  #on;
  #runs;
  #rule = null;
  #indices = [];
  #panels = [];
  #epoch = 0;
  #opened = false; // by hand: it stays without a selection
  #focus = false; // the reader is to be taken there
  #seen = []; // what it shows now

  /** `element`: where it goes; `on`: choose(rule or null), mark(index), hidden() → the classes that are not shown. */
  constructor(element, runs, on) {
    this.element = element;
    this.#runs = runs;
    this.#on = on;
    this.title = h("b");
    this.why = h("span", { class: "why" });
    this.again = this.#button("", "Asks the same of the epoch that is shown now", () => on.choose({ ...this.#rule, epoch: this.#epoch }));
    this.actions = [
      this.#button("Invert", "Selects all the others of the shown classes instead", () => on.choose({ ...this.#rule, not: !this.#rule.not, hidden: on.hidden() })),
      this.#button("Copy", "Copies the images' indices, joined by commas", () => this.#copy()),
      this.#button("CSV", "Downloads indices, labels, predictions and places as CSV", () => this.#download()),
    ];
    this.clear = this.#button("Clear", "Selects nothing (Escape)", () => this.close());
    this.label = this.#choice("Label", [["", "any"], ...digits("")], (word) => this.#change({ label: word === "" ? null : Number(word) }));
    this.words = runs.map((run, r) =>
      this.#choice(
        run.name,
        [["", "any"], ...WORDS.map(([word, , name]) => [word, name.replace(/ in$/, "")]), ...digits("taken for ")],
        (word) => this.#change({ runs: this.#asked.runs.map((w, k) => (k === r ? word : w)) }),
        h("i", { class: `glyph run-${r}` }),
      ),
    );
    this.disagree = h("input", { type: "checkbox", onchange: () => this.#change({ disagree: this.disagree.checked }) });
    this.bars = Array.from({ length: 10 }, (_, k) => h("span", { class: `bar-of class-${k}` }, h("i"), h("b"), h("small", {}, String(k))));
    this.training = h("p", { class: "muted" }, "Training images lie where their own steps put them, before the epoch’s network was there: which of them it recognises isn’t known.");
    this.table = h("tbody");
    this.strip = new Strip({ mark: on.mark });
    this.facts = h(
      "div",
      { class: "selection-facts" },
      h("div", { class: "bars", role: "img" }, this.bars),
      h(
        "table",
        { class: "selection-runs" },
        h("thead", {}, h("tr", {}, ["Run", "Right", "Wrong"].map((name, k) => h("th", { scope: "col", class: k ? "outcome" : null }, name)), h("th", { scope: "col", title: "Mean distance of the images to the learned center of their label, in the units of the run's own plot" }, "To center"))),
        this.table,
      ),
    );
    element.replaceChildren(
      h("div", { class: "selection-head" }, this.title, this.why, this.again, h("span", { class: "spacer" }), this.actions, this.clear),
      h("div", { class: "filters", role: "group", "aria-label": "Filter" }, this.label.element, this.words.map((word) => word.element), runs.length > 1 ? h("label", {}, this.disagree, "runs disagree") : null),
      this.training,
      this.facts,
      this.strip.element,
      this.strip.about,
    );
  }

  #button(text, title, onclick) {
    return h("button", { type: "button", title, onclick }, text);
  }

  #choice(name, options, onchange, glyph) {
    const select = h("select", { "aria-label": name, onchange: () => onchange(select.value) }, options.map(([value, text]) => h("option", { value }, text)));
    return { element: h("label", { title: name }, glyph, h("span", {}, name), select), select };
  }

  /** The rule at hand, or one that asks nothing yet. */
  get #asked() {
    return this.#rule ?? anything(this.#runs.length, this.#epoch);
  }

  #change(patch) {
    this.#opened = true;
    const rule = { ...this.#asked, ...patch, epoch: this.#epoch };
    this.#on.choose(asksNothing(rule) && !rule.not ? null : rule);
  }

  /** Lets the next update show the panel also while nothing is selected, and takes the reader there. */
  open() {
    this.#opened = this.#focus = true;
    this.#seen = [];
  }

  close() {
    this.#opened = false;
    if (this.#rule) this.#on.choose(null);
    else this.element.hidden = true;
  }

  /** `selection`: {rule, indices, words}; `panels`: those that show something; `epoch`: the clock's. */
  update({ rule, indices, words }, panels, epoch) {
    const seen = [rule, indices, epoch, ...panels.map((panel) => panel.shown)];
    if (seen.length === this.#seen.length && seen.every((what, k) => what === this.#seen[k])) return;
    this.#seen = seen;
    this.#rule = rule;
    this.#indices = indices;
    this.#panels = panels;
    this.#epoch = epoch;
    this.element.hidden = !panels.length || !(rule || this.#opened);
    if (this.element.hidden) return;
    const { labels, split } = panels[0].shown;
    const names = this.#runs.map((run) => run.name);
    say(this.title, rule ? words : "Nothing is selected");
    this.title.title = SETS[split];
    say(this.why, rule ? describeRule(rule, names) : "Draw a lasso or a box in a plot, or choose here.");
    this.again.hidden = !rule || rule.epoch === epoch || (!rule.disagree && rule.runs.every((word) => word === ""));
    say(this.again, `Ask epoch ${epoch}`);
    for (const action of this.actions) action.hidden = !rule;
    say(this.clear, rule ? "Clear" : "Close");
    const asked = this.#asked;
    this.label.select.value = asked.label ?? "";
    this.words.forEach((word, r) => (word.select.value = asked.runs[r]));
    this.disagree.checked = asked.disagree;
    this.facts.hidden = indices.length === 0;
    const judged = split === "test";
    this.training.hidden = judged;
    for (const { element } of this.words) element.hidden = !judged;
    this.disagree.closest("label")?.toggleAttribute("hidden", !judged);
    this.facts.classList.toggle("unjudged", !judged);
    this.#showCounts(countLabels(indices, labels));
    this.table.replaceChildren(...panels.map((panel) => this.#row(panel)));
    this.strip.update(indices, panels);
    if (!this.#focus) return;
    this.#focus = false;
    this.element.scrollIntoView({ block: "nearest" });
    this.label.select.focus({ preventScroll: true });
  }

  #showCounts(counts) {
    const most = Math.max(1, ...counts);
    this.bars.forEach((bar, k) => {
      bar.children[0].style.height = `${(26 * counts[k]) / most}px`;
      say(bar.children[1], counts[k] ? grouped(counts[k]) : "");
    });
    this.bars[0].parentElement.setAttribute("aria-label", `By label: ${counts.map((n, k) => `${k}: ${n}`).join(", ")}`);
  }

  #row(panel) {
    const { seen, right, distance } = measureOn(this.#indices, panel.shown);
    return h(
      "tr",
      {},
      h("th", { scope: "row", title: panel.run.name }, h("i", { class: `glyph run-${panel.index}`, "aria-hidden": "true" }), h("span", {}, panel.run.name)),
      h("td", { class: "outcome" }, percent(right, 1)),
      h("td", { class: "outcome" }, seen ? grouped(seen - Math.round(right * seen)) : "–"),
      h("td", {}, compact(distance)),
    );
  }

  async #copy() {
    const button = this.actions[1];
    try {
      await navigator.clipboard.writeText(this.#indices.join(","));
      say(button, "Copied");
    } catch {
      say(button, "No clipboard: take the CSV");
    }
    setTimeout(() => say(button, "Copy"), 2000);
  }

  #download() {
    const runs = this.#panels.map(({ run, shown }) => ({ name: run.name, shown }));
    const { labels, split } = this.#panels[0].shown;
    download(toCsv(this.#indices, labels, runs), `${this.#indices.length}-${split}-images.csv`, "text/csv");
  }
}

function digits(before) {
  return Array.from({ length: 10 }, (_, k) => [String(k), `${before}${k}`]);
}
