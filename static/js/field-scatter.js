// Any setting or metric of a sweep's runs against any other: a dot for each run.

import { axisOf, fieldColumns } from "./axis.js";
import { h } from "./dom.js";
import { markOf } from "./marks.js";
import { onWidth, s } from "./svg.js";

const HEIGHT = 300;
const LEFT = 62;
const RIGHT = 24;
const TOP = 14;
const BOTTOM = 30;

export class FieldScatter {
  #data = null;
  #dots = [];
  #width = 0;

  constructor(box, chooseX, chooseY, link) {
    this.box = box;
    this.choose = { x: chooseX, y: chooseY };
    this.link = link;
    for (const select of [chooseX, chooseY]) select.addEventListener("change", () => this.#draw());
    link.onChange(() => this.#mark());
    onWidth(box, (width) => {
      this.#width = width;
      this.#draw();
    });
  }

  show(data, groupOf) {
    this.#data = data;
    this.groupOf = groupOf;
    this.columns = fieldColumns(data, [...new Set(data.runs.flatMap((run) => Object.keys(run.last)))].sort());
    for (const [side, select] of Object.entries(this.choose)) {
      if (select.options.length === this.columns.length) continue;
      const wanted = select.value || (side === "x" ? this.columns[0].name : data.metric);
      select.replaceChildren(...this.columns.map(({ name, label }) => h("option", { value: name, selected: name === wanted }, label)));
    }
    this.#draw();
  }

  #draw() {
    const data = this.#data;
    if (!data || !this.#width) return;
    const width = Math.max(this.#width, 260);
    const column = (side) => this.columns.find(({ name }) => name === this.choose[side].value) ?? this.columns[0];
    const [across, up] = [column("x"), column("y")];
    const [xs, ys] = [across, up].map(({ value, text }) => axisOf(data.runs.map(value), text));
    const x = (place) => LEFT + place * (width - LEFT - RIGHT);
    const y = (place) => TOP + (1 - place) * (HEIGHT - TOP - BOTTOM);
    this.#dots = data.runs.flatMap((run) => {
      const [px, py] = [xs.place(across.value(run)), ys.place(up.value(run))];
      if (px === null || py === null) return [];
      const dot = s("circle", { cx: x(px), cy: y(py), r: 5, "data-run": run.id }, s("title", {}, run.name));
      dot.addEventListener("pointerenter", () => this.link.hover(run.id));
      dot.addEventListener("pointerleave", () => this.link.hover(null));
      return [dot];
    });
    const grid = [
      ...xs.ticks.map(([place, text]) => s("text", { class: "axis-tick", x: x(place), y: HEIGHT - 12, "text-anchor": "middle" }, text)),
      ...ys.ticks.map(([place, text]) => s("text", { class: "axis-tick", x: LEFT - 10, y: y(place) + 3.5, "text-anchor": "end" }, text)),
      s("path", { class: "axis", d: `M${LEFT - 4} ${TOP}V${HEIGHT - BOTTOM + 4}H${width - RIGHT}` }),
    ];
    const label = `${up.label} against ${across.label} for ${this.#dots.length} runs; the table below has the numbers`;
    this.box.replaceChildren(s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, class: "field-scatter", role: "img", "aria-label": label }, grid, this.#dots));
    this.#mark();
  }

  #mark() {
    for (const dot of this.#dots) {
      const id = dot.dataset.run;
      dot.setAttribute("class", `run-dot fill-${markOf(this.groupOf.get(id)).hue}${this.link.classes(id)}`);
    }
  }
}
