// What stands in the clock's bar beside the clock: the opener of the controls, which come and go on a narrow page, and how many
// images are selected.

import { h, say } from "./dom.js";

export class Drawer {
  constructor(content, id) {
    this.element = h("div", { class: "drawer", id }, content);
    const toggle = () => this.open(!this.element.classList.contains("open"));
    // It covers the plots: whoever turns to them is done with it.
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.element.contains(target) && !this.opener.contains(target)) this.open(false);
    });
    this.opener = h("button", { type: "button", class: "opener", "aria-expanded": "false", "aria-controls": id, onclick: toggle }, "Controls");
  }

  open(open) {
    this.element.classList.toggle("open", open);
    this.opener.setAttribute("aria-expanded", String(open));
  }
}

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
