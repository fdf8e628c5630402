// What stands in the clock's bar beside the clock: the opener of the controls, which come and go on a narrow page, and how many
// images are selected.

import { h, say } from "./dom.js";
import { grouped } from "./format.js";

export class Drawer {
  constructor(content, id) {
    this.element = h("div", { class: "drawer", id }, content);
    const toggle = () => this.open(!this.element.classList.contains("open"));
    this.opener = h("button", { type: "button", class: "opener", "aria-expanded": "false", "aria-controls": id, onclick: toggle }, "Controls");
  }

  open(open) {
    this.element.classList.toggle("open", open);
    this.opener.setAttribute("aria-expanded", String(open));
  }
}

export class PickedCount {
  #go;

  /** `go()` takes the reader to the selection's panel, `clear()` selects nothing. */
  constructor({ go, clear }) {
    this.#go = h("button", { type: "button", title: "Go to the panel about the selection", onclick: go });
    this.element = h("div", { class: "picked", hidden: true }, this.#go, h("button", { type: "button", title: "Selects nothing (Escape)", onclick: clear }, "Clear"));
  }

  update({ rule, indices }) {
    this.element.hidden = !rule;
    say(this.#go, `${grouped(indices.length)} selected`);
  }
}
