// Parallel coordinates: an axis for each setting that differs and for some metrics, a line for each run. Dragging along an
// axis keeps the runs that pass there.

import { axisOf, fieldColumns } from "./axis.js";
import { markOf } from "./marks.js";
import { onWidth, s } from "./svg.js";

const METRICS = ["test_accuracy", "train_loss", "intra_inter_ratio"];
const HEIGHT = 300;
const TOP = 34;
const BOTTOM = 14;
const SIDE = 54;
const NAME_WIDTH = 96;

/** The ids of the runs whose places lie within every brush: {column index: [low, high]}; null without brushes. Pure. */
export function within(places, brushes) {
  const kept = Object.entries(brushes);
  if (kept.length === 0) return null;
  const passes = ([, own]) => kept.every(([i, [low, high]]) => own[i] !== null && own[i] >= low && own[i] <= high);
  return new Set([...places].filter(passes).map(([id]) => id));
}

export class Parallel {
  #brushes = {};
  #lines = [];
  #data = null;
  #width = 0;

  constructor(box, link) {
    this.box = box;
    this.link = link;
    link.onChange(() => this.#mark());
    onWidth(box, (width) => {
      this.#width = width;
      this.#draw();
    });
  }

  show(data, groupOf) {
    this.#data = data;
    this.groupOf = groupOf;
    this.#draw();
  }

  #draw() {
    const width = Math.max(this.#width, 300);
    const data = this.#data;
    if (!data || !this.#width) return;
    const columns = fieldColumns(data, METRICS);
    const axes = columns.map((column) => axisOf(data.runs.map(column.value), column.text));
    const x = (i) => SIDE + (i * (width - 2 * SIDE)) / Math.max(1, columns.length - 1);
    // Names stand at one height where they have room beside each other.
    const crowded = columns.length > 1 && x(1) - x(0) < NAME_WIDTH;
    const y = (place) => TOP + (1 - place) * (HEIGHT - TOP - BOTTOM);
    this.places = new Map(data.runs.map((run) => [run.id, columns.map((column, i) => axes[i].place(column.value(run)))]));
    this.#lines = data.runs.map((run) => {
      const points = this.places.get(run.id).flatMap((place, i) => (place === null ? [] : [`${x(i).toFixed(1)},${y(place).toFixed(1)}`]));
      const line = s("polyline", { points: points.join(" "), "data-run": run.id }, s("title", {}, run.name));
      line.addEventListener("pointerenter", () => this.link.hover(run.id));
      line.addEventListener("pointerleave", () => this.link.hover(null));
      return line;
    });
    const drawnAxes = columns.map((column, i) => this.#axis(column, axes[i], i % 2 && crowded ? -12 : 0, i, x(i), y));
    const label = `${data.runs.length} runs over ${columns.map((column) => column.label).join(", ")}; the table below has the numbers`;
    const svg = s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, class: "parallel", role: "img", "aria-label": label }, this.#lines, drawnAxes);
    this.box.replaceChildren(svg);
    this.#mark();
  }

  #axis(column, axis, stagger, i, x, y) {
    const brush = this.#brushes[i];
    const zone = s("rect", { class: "zone", x: x - 16, y: y(1) - 6, width: 32, height: y(0) - y(1) + 12 });
    const shown = s("rect", { class: "brush", x: x - 8, width: 16, y: brush ? y(brush[1]) : 0, height: brush ? y(brush[0]) - y(brush[1]) : 0 });
    const placeAt = (event) => {
      const box = this.box.firstChild.getBoundingClientRect();
      return Math.min(1.02, Math.max(-0.02, 1 - (event.clientY - box.top - TOP) / (HEIGHT - TOP - BOTTOM)));
    };
    zone.addEventListener("pointerdown", (event) => {
      zone.setPointerCapture(event.pointerId);
      const from = placeAt(event);
      delete this.#brushes[i];
      zone.onpointermove = (moved) => {
        const to = placeAt(moved);
        this.#brushes[i] = [Math.min(from, to), Math.max(from, to)];
        shown.setAttribute("y", y(this.#brushes[i][1]));
        shown.setAttribute("height", y(this.#brushes[i][0]) - y(this.#brushes[i][1]));
        this.link.pick(within(this.places, this.#brushes));
      };
      // A click alone takes the brush away.
      shown.setAttribute("height", 0);
      this.link.pick(within(this.places, this.#brushes));
    });
    for (const type of ["pointerup", "pointercancel"]) zone.addEventListener(type, () => (zone.onpointermove = null));
    return s(
      "g",
      {},
      s("line", { class: "axis", x1: x, x2: x, y1: y(0), y2: y(1) }),
      s("text", { class: "axis-name", x, y: 22 + stagger, "text-anchor": "middle" }, column.label),
      axis.ticks.map(([place, text]) => s("text", { class: "axis-tick", x: x + 5, y: y(place) + 3.5 }, text)),
      shown,
      zone,
    );
  }

  #mark() {
    for (const line of this.#lines) {
      const id = line.dataset.run;
      line.setAttribute("class", `run-line stroke-${markOf(this.groupOf.get(id)).hue}${this.link.classes(id)}`);
    }
  }
}
