// The drawer with the controls, which come and go on a narrow page, and its opener, which stands in the clock's bar.

import { h } from "./dom.js";

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
    // Where the clock stands high on the screen, the drawer above it would begin beyond the screen's edge.
    const { top } = this.element.getBoundingClientRect();
    if (open && top < 0) scrollBy(0, top);
  }
}
