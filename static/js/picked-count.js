// How many images are selected, with the way to them and back to none. Loaded with the first selection.

import { h, say } from "./dom.js";

export class PickedCount {
  #go;

  constructor(comparison) {
    this.#go = h("button", { type: "button", title: "Go to the panel about the selection", onclick: () => comparison.goToSelection() });
    const clear = h("button", { type: "button", title: "Selects nothing (Escape)", onclick: () => comparison.select(null) }, "Clear");
    this.element = h("div", { class: "picked", hidden: true }, this.#go, clear);
  }

  update({ rule, words }) {
    this.element.hidden = !rule;
    say(this.#go, words);
  }
}
