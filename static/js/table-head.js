// The head of the table of all runs: its columns are sorted, moved and widened there, and all runs are ticked.

import { clampWidth, moved, nextSort, widthOf, writeAddress } from "./columns.js";
import { h, plainClick } from "./dom.js";

const USUAL_SORT = "-created";

export class TableHead {
  #row;
  #on;
  #all;

  /**
   * `on`: layout() → {state, fields: of the columns shown, widths}, set(change of the state), widen(widths) while a column is dragged,
   * all(whether every run is to be selected).
   */
  constructor(row, on) {
    this.#row = row;
    this.#on = on;
  }

  show() {
    const { fields } = this.#on.layout();
    this.#all = h("input", { type: "checkbox", "aria-label": "Select all that match", onchange: () => this.#on.all(this.#all.checked) });
    this.#row.replaceChildren(h("th", { scope: "col", class: "tick" }, h("label", {}, this.#all)), ...fields.map((field, i) => this.#cell(field, i)));
  }

  /** Shows how many of `total` runs are selected. */
  tick(count, total) {
    this.#all.checked = count > 0 && count >= total;
    this.#all.indeterminate = count > 0 && !this.#all.checked;
  }

  #cell(field, i) {
    const { state } = this.#on.layout();
    const sort = state.sort || USUAL_SORT;
    const sorted = sort.replace(/^-/, "") === field.name ? (sort.startsWith("-") ? "descending" : "ascending") : "none";
    const label = field.kind === "curve" ? h("span", { title: field.help }, field.label) : this.#link(field, state, nextSort(field, sort));
    const cell = h("th", { scope: "col", class: field.kind === "number" ? "number" : null, "data-field": field.name, "aria-sort": sorted, draggable: "true" }, label, h("i", { class: "grip", "aria-hidden": "true" }));
    cell.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", field.name));
    cell.addEventListener("dragover", (event) => event.preventDefault());
    cell.addEventListener("drop", (event) => {
      event.preventDefault();
      const names = this.#on.layout().fields.map(({ name }) => name);
      const from = names.indexOf(event.dataTransfer.getData("text/plain"));
      if (from >= 0) this.#on.set({ columns: moved(names, from, i) });
    });
    cell.lastChild.addEventListener("pointerdown", (event) => this.#widen(event, field));
    return cell;
  }

  #link(field, state, sort) {
    const link = h("a", { href: writeAddress({ ...state, sort }), title: field.help, draggable: "false" }, field.label);
    link.addEventListener("click", (event) => {
      if (!plainClick(event)) return;
      event.preventDefault();
      this.#on.set({ sort });
      this.show();
      this.#row.querySelector(`[data-field="${field.name}"] a`)?.focus();
    });
    return link;
  }

  #widen(event, field) {
    event.preventDefault();
    const grip = event.target;
    const { widths } = this.#on.layout();
    const start = event.clientX - (grip.closest("th").offsetWidth || widthOf(field, widths));
    grip.setPointerCapture(event.pointerId);
    let width = null;
    grip.onpointermove = (moving) => {
      width = clampWidth(moving.clientX - start);
      this.#on.widen({ ...widths, [field.name]: width });
    };
    grip.onpointerup = () => {
      grip.onpointermove = grip.onpointerup = null;
      if (width) this.#on.set({ widths: { ...this.#on.layout().state.widths, [field.name]: width } });
    };
  }
}
