// What the reader decides about all plots of a comparison: classes, split, scale, layers, tool.

import { h, press } from "./dom.js";

const LAYERS = [
  ["centers", "Centers", "Learned class centers (numbered discs)"],
  ["means", "Means", "Measured class means (crosses)"],
  ["trails", "Trails", "Where each center (line) and class mean (dots) came from, and the gap between them"],
  ["regions", "Regions", "Exact decision regions of the last layer"],
  ["shading", "Probability", "How sure the last layer is of each place: the softmax of its logits"],
];

const SCALES = [
  ["own", "Own", "Each plot fits its own points"],
  ["shared", "Shared", "One scale and view for all plots"],
  ["aligned", "Aligned", "Each plane mirrored, turned and scaled so that its class means lie over those of one run (Procrustes)"],
];

/** Which classes are visible after a click on one: toggled, or alone (again: all). Pure. */
export function afterClick(visible, clicked, alone) {
  if (!alone) return visible.map((v, k) => (k === clicked ? !v : v));
  const isAlone = visible.every((v, k) => v === (k === clicked));
  return visible.map((_, k) => isAlone || k === clicked);
}

/**
 * `on`: change(patch of the options), filter(), reset(). `names`: those of the runs, one a plot. `online`: whether a server is
 * there to be asked for what only it computes.
 */
export class Controls {
  constructor(on, { names, online }) {
    this.on = on;
    this.chips = Array.from({ length: 10 }, (_, k) =>
      h(
        "button",
        {
          type: "button",
          class: `chip class-${k}`,
          title: `Digit ${k}: click shows or hides, double click or Alt (Alt+Enter) shows it alone`,
          onclick: (event) => this.#show(k, event.altKey || event.detail === 2),
          onkeydown: (event) => {
            if (!event.altKey || event.key !== "Enter") return;
            event.preventDefault(); // a click of it, too, would take it back
            this.#show(k, true);
          },
        },
        h("i", { class: "swatch" }),
        String(k),
      ),
    );
    this.all = h(
      "button",
      { type: "button", class: "quiet", onclick: () => on.change({ visible: new Array(10).fill(true) }) },
      "All",
    );
    this.split = choice("Points", [["test", "Test", "Test images, network in evaluation mode"], ["train", "Train", "Training images as the training pass saw them"]], (split) => on.change({ split }));
    this.scale = choice("Scale", online ? SCALES : SCALES.slice(0, 2), (scale) => on.change({ scale }));
    this.reference = h("select", { "aria-label": "Laid over", title: "The run that the others are laid over", onchange: () => on.change({ reference: this.reference.selectedIndex }) }, names.map((name) => h("option", {}, name)));
    this.scale.element.append(this.reference);
    this.tool = choice("Drag", [["move", "Move", "Dragging moves the view"], ["lasso", "Lasso", "Dragging selects points in all plots (or Shift and drag)"], ["box", "Box", "Dragging selects a box of points in all plots"]], (tool) => on.change({ tool }));
    this.layers = LAYERS.map(([name, text, title]) =>
      h("button", { type: "button", title, onclick: () => on.change({ [name]: !this.options[name] }) }, text),
    );
    this.filter = h("button", { type: "button", title: "Select images by label, prediction and outcome", onclick: on.filter }, "Filter…");
    this.reset = h("button", { type: "button", class: "quiet", title: "Reset the view: fit all points again (double click, or 0)", onclick: on.reset }, "Reset");
    this.draw = h("button", { type: "button", title: "Draw a digit, or spoil a test image, and see where it lands", onclick: () => on.change({ draw: !this.options.draw }) }, "Draw a digit");
    this.element = h(
      "div",
      { class: "controls" },
      h("div", { class: "group chips", role: "group", "aria-label": "Classes" }, this.chips, this.all),
      h("div", { class: "group", role: "group", "aria-label": "Layers" }, h("span", { class: "label" }, "Show"), h("div", { class: "segments loose" }, this.layers)),
      this.split.element,
      names.length > 1 ? [this.scale.element] : [],
      this.tool.element,
      this.filter,
      this.reset,
      online ? [this.draw] : [],
    );
  }

  #show(k, alone) {
    this.on.change({ visible: afterClick(this.options.visible, k, alone) });
  }

  /** `zoomed`: whether a plot's view is chosen by hand. */
  update(options, zoomed) {
    this.options = options;
    this.chips.forEach((chip, k) => press(chip, options.visible[k]));
    this.all.disabled = options.visible.every(Boolean);
    LAYERS.forEach(([name], i) => press(this.layers[i], options[name]));
    for (const name of ["split", "scale", "tool"]) this[name].update(options[name]);
    this.reference.hidden = options.scale !== "aligned";
    this.reference.selectedIndex = options.reference;
    press(this.draw, options.draw);
    this.reset.disabled = !zoomed;
  }
}

/** A label and buttons of which one is pressed. */
function choice(label, words, on) {
  const buttons = words.map(([word, text, title]) => h("button", { type: "button", title, onclick: () => on(word) }, text));
  const element = h(
    "div",
    { class: "group", role: "group", "aria-label": label },
    h("span", { class: "label" }, label),
    h("div", { class: "segments" }, buttons),
  );
  return { element, update: (chosen) => words.forEach(([word], i) => press(buttons[i], word === chosen)) };
}
