// The rows of the table that are in sight, and no others: each has a fixed height, and two spacers stand for the rest.

import { h } from "./dom.js";
import { cellContent, cellKey } from "./cells.js";
import { hasEnded } from "./fold.js";
import { layOut } from "./columns.js";

const OVERSCAN = 8;
const TICK_WIDTH = 40;

/** The rows in sight, [from, to), of `total` where each is `height` high. Pure. */
export function windowOf(scrollTop, viewHeight, height, total, overscan = OVERSCAN) {
  const from = Math.max(0, Math.min(total, Math.floor(scrollTop / height) - overscan));
  return [from, Math.min(total, Math.ceil((scrollTop + viewHeight) / height) + overscan)];
}

export class RowView {
  active = 0;
  #scroller;
  #table;
  #body;
  #columns;
  #on;
  #rows = new Map(); // id → {element, keys}
  #fields = [];
  #above = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td"));
  #below = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td"));
  #rowHeight = 36;

  /** `on`: source() (a RowSource), picked(id), moved() (the rows in sight changed), left() (a row that is being edited is about to go). */
  constructor(scroller, table, on) {
    this.#scroller = scroller;
    this.#table = table;
    this.#body = table.tBodies[0];
    this.#on = on;
    this.#columns = h("colgroup");
    table.prepend(this.#columns);
    table.classList.add("alive");
    table.setAttribute("role", "grid");
    table.setAttribute("aria-multiselectable", "true");
    table.tabIndex = 0;
    let frame = 0;
    const later = () => (frame ||= requestAnimationFrame(() => ((frame = 0), this.draw(), on.moved())));
    scroller.addEventListener("scroll", later, { passive: true });
    new ResizeObserver(() => (this.#size(), later())).observe(scroller);
  }

  /** The rows in sight: [from, to). */
  get window() {
    return windowOf(this.#scroller.scrollTop, this.#scroller.clientHeight - this.#headHeight, this.#rowHeight, this.#on.source().total);
  }

  get #headHeight() {
    return this.#table.tHead.offsetHeight;
  }

  /** The row at the top of what is seen, and by how much it is scrolled away. */
  get top() {
    const index = Math.floor(this.#scroller.scrollTop / this.#rowHeight);
    return { index, beyond: this.#scroller.scrollTop - index * this.#rowHeight };
  }

  scrollToTop({ index, beyond }) {
    this.#scroller.scrollTop = index * this.#rowHeight + beyond;
  }

  /** Shows other columns, or the same in another order or width. */
  setColumns(fields, widths) {
    this.#fields = fields;
    this.widths = widths;
    this.#rowHeight = parseFloat(getComputedStyle(this.#table).getPropertyValue("--row")) || 36;
    this.#rows.clear();
    this.#size();
    this.draw();
  }

  #size() {
    if (!this.widths) return;
    const all = [TICK_WIDTH, ...layOut(this.#fields, this.widths, this.#scroller.clientWidth - TICK_WIDTH)];
    this.#columns.replaceChildren(
      ...all.map((width) => {
        const column = h("col");
        column.style.width = `${width}px`;
        return column;
      }),
    );
    this.#table.style.width = `${all.reduce((a, b) => a + b, 0)}px`;
    this.#table.setAttribute("aria-colcount", String(all.length));
  }

  /** Brings the elements in line with what is in sight. Rows that stay keep their elements. */
  draw() {
    const source = this.#on.source();
    const [from, to] = this.window;
    this.#table.setAttribute("aria-rowcount", String(source.total + 1));
    const wanted = [];
    const kept = new Map();
    for (let index = from; index < to; index++) {
      const run = source.at(index);
      const key = run?.id ?? `row ${index}`;
      const row = this.#rows.get(key) ?? { element: this.#blank(run), keys: [] };
      kept.set(key, row);
      if (run) this.#fill(row, run);
      this.#place(row.element, index, run);
      wanted.push(row.element);
    }
    this.#rows = kept;
    this.#space(this.#above, from);
    this.#space(this.#below, source.total - to);
    wanted.unshift(this.#above);
    wanted.push(this.#below);
    // Only what differs is moved: an element that is moved loses its focus.
    let at = this.#body.firstChild;
    const staying = new Set(wanted);
    const edited = this.#body.querySelector(".in-place")?.closest("tr");
    if (edited && !staying.has(edited)) this.#on.left();
    for (const old of [...this.#body.children]) if (!staying.has(old)) old === at ? ((at = old.nextSibling), old.remove()) : old.remove();
    for (const element of wanted) {
      if (element === at) at = at.nextSibling;
      else this.#body.insertBefore(element, at);
    }
    const active = source.at(this.active);
    if (active && kept.has(active.id)) this.#table.setAttribute("aria-activedescendant", `run-${active.id}`);
    else this.#table.removeAttribute("aria-activedescendant");
  }

  #space(element, rows) {
    element.hidden = rows <= 0;
    element.firstChild.style.height = `${rows * this.#rowHeight}px`;
    element.firstChild.colSpan = this.#fields.length + 1;
  }

  #blank(run) {
    const box = run && h("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${run.name}` });
    const cell = (field) => h(field.name === "name" ? "th" : "td", { scope: field.name === "name" ? "row" : null, class: field.kind === "number" ? "number" : null, "data-cell": field.name });
    return h("tr", run ? { id: `run-${run.id}`, "data-run": run.id } : {}, h("td", { class: "tick" }, box ? h("label", {}, box) : null), this.#fields.map(cell));
  }

  #fill(row, run) {
    this.#fields.forEach((field, i) => {
      const key = cellKey(field, run);
      const cell = row.element.cells[i + 1];
      // A cell that is being edited is left alone.
      if (row.keys[i] === key || cell.querySelector(".in-place")) return;
      row.keys[i] = key;
      cell.replaceChildren(...cellContent(field, run).filter(Boolean));
      if (field.kind === "text" || field.kind === "tags") cell.title = key;
    });
  }

  #place(element, index, run) {
    const set = (name, value) => element.getAttribute(name) !== value && element.setAttribute(name, value);
    set("aria-rowindex", String(index + 2));
    element.dataset.index = index;
    if (!run) return;
    const picked = this.#on.picked(run.id);
    set("aria-selected", String(picked));
    element.querySelector("input").checked = picked;
    element.classList.toggle("active", index === this.active);
    element.classList.toggle("archived", run.archived);
    element.classList.toggle("under-way", !hasEnded(run.status));
  }

  /** The cell of a run's field that is in sight, or undefined. */
  cell(id, name) {
    return this.#rows.get(id)?.element.querySelector(`[data-cell="${name}"]`);
  }

  /** Makes a row the active one and brings it into sight. */
  activate(index) {
    const { total } = this.#on.source();
    this.active = Math.max(0, Math.min(total - 1, index));
    const top = this.active * this.#rowHeight;
    const room = this.#scroller.clientHeight - this.#headHeight - this.#rowHeight;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (top > this.#scroller.scrollTop + room) this.#scroller.scrollTop = top - room;
    this.draw();
  }

  /** How many rows are seen at once. */
  get pageRows() {
    return Math.max(1, Math.floor((this.#scroller.clientHeight - this.#headHeight) / this.#rowHeight) - 1);
  }
}
