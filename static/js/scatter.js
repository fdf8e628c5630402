// One scatter plot: points with the GPU or the CPU, layers under and over them, a view that zooms, pans and glides, and
// the hover. It knows positions and labels; what they mean is the business of whoever owns it.

import { BucketGrid } from "./grid.js";
import { fit, projection, visibleBox, zoomAt } from "./geometry.js";
import { Canvases } from "./scatter-canvases.js";
import { Motion } from "./scatter-motion.js";
import { drawOver, drawUnder, fetchExtras } from "./scatter-layers.js";
import { drawOrder } from "./order.js";
import { listen } from "./scatter-input.js";
import { pointLook } from "./scatter-look.js";

const HOVER_PIXELS = 14;

export class Scatter {
  #element;
  #canvases;
  #on;
  #motion = new Motion();
  #grid = null;
  #view = null; // chosen by hand; null follows the data
  #shared = null; // a box that all plots share, instead of the data's own
  #shown = null; // the view on the screen
  #style = { visible: new Array(10).fill(true), centers: true, means: false, regions: false, shading: false, trails: false };
  #palette;
  #selected = null;
  #mark = -1;
  #guest = null;
  #outline = null; // the lasso or box under way, in CSS pixels
  #scheduled = false;
  #pending = "over"; // what the next frame draws: "all", or only the layer over the points

  /** What the last frame cost and drew: {renderer, drawn, points, ms, outside, highlights: whether some stand out}. */
  stats = { renderer: "", drawn: 0, points: 0, ms: 0, outside: 0, highlights: false };

  /** `on`: hover(index or −1), view(view or null), tool() → word, outlining() while an outline is drawn, outline(polygon in data units, units of a pixel), hint(), drawn(stats). */
  constructor(element, palette, on) {
    this.#element = element;
    this.#palette = palette;
    this.#on = on;
    this.#canvases = new Canvases(element, () => {
      this.#motion.moved = true;
      // At once: a canvas that changes its size is empty until it is drawn again.
      if (this.#size.width && this.#size.height) this.#draw("all");
    });
    listen(element, {
      zoom: (x, y, factor) => this.#zoom(x, y, factor),
      pan: (dx, dy) => this.#pan(dx, dy),
      reset: () => this.setView(null, true),
      point: (x, y, touch) => this.#point(x, y, touch),
      outline: (path, done) => this.#drawOutline(path, done),
      tool: () => this.#on.tool(),
      zoomed: () => this.#view !== null,
      hint: () => this.#on.hint(),
    });
  }

  get #size() {
    return this.#canvases.size;
  }

  /** Shows points {x, y, labels} with the geometry of their epoch and the `trail` to it; glides there from the last ones if `glide`. */
  setData(data, glide) {
    if (!this.#motion.data) this.#canvases.askForGpu();
    this.#motion.set(data, glide, this.#shown);
    this.#grid = null;
    this.#schedule();
  }

  /** Shows what lies between the points and those of the next epoch, `t` of the way; null: the points themselves again. */
  setBetween(next, t) {
    if (!this.#motion.setBetween(next, t, this.#shown)) return;
    this.#grid = null;
    this.#schedule();
  }

  /** Shows nothing. */
  clear() {
    this.#motion.clear();
    this.#grid = null;
    this.#mark = -1;
    this.stats = { ...this.stats, drawn: 0, points: 0, outside: 0 };
    this.#schedule();
  }

  /** The layers and classes to show; the same object again changes nothing. */
  setStyle(style) {
    if (style === this.#style) return;
    this.#style = style;
    fetchExtras(style).then((came) => came && this.#schedule());
    this.#schedule();
  }

  setPalette(palette) {
    this.#palette = palette;
    this.#schedule();
  }

  /** The box of the points, null without any. */
  get box() {
    return this.#motion.box;
  }

  get view() {
    return this.#view;
  }

  /** The view: chosen by hand, or null to follow the data. `tell` reports it to the owner. */
  setView(view, tell = false) {
    this.#view = view;
    this.#element.classList.toggle("zoomed", view !== null);
    if (tell) this.#on.view(view);
    this.#schedule();
  }

  /** A box to fit instead of the data's own, so that several plots have one scale; null for its own. */
  setSharedBox(box) {
    const same = (side) => box?.[side] === this.#shared?.[side];
    if (["xMin", "xMax", "yMin", "yMax"].every(same)) return;
    this.#shared = box;
    this.#schedule();
  }

  /** Which point is marked, −1 for none. */
  setMark(index) {
    if (index === this.#mark) return;
    this.#mark = index;
    this.#schedule("over");
  }

  /** A point of its own: {place: [x, y], label}, or null. */
  setGuest(guest) {
    if (guest === this.#guest) return;
    this.#guest = guest;
    this.#schedule("over");
  }

  /** One byte a point: 1 stands out, 0 steps back; null: all alike. */
  setSelection(selected) {
    this.#selected = selected;
    this.#schedule();
  }

  /** Where the marked point is, in CSS pixels of the plot and in data units; null when there is none. */
  markPlace() {
    const { data } = this.#motion;
    if (this.#mark < 0 || !data || this.#mark >= data.x.length) return null;
    const { x: xs, y: ys } = this.#here;
    const x = xs[this.#mark];
    const y = ys[this.#mark];
    const { k, ox, oy } = projection(this.#target(), this.#size.width, this.#size.height);
    return { x, y, left: x * k + ox, top: oy - y * k, width: this.#size.width, height: this.#size.height };
  }

  /** Where image `index` is drawn: [left, top] in CSS pixels of the plot. */
  placeOf(index) {
    const { data } = this.#motion;
    if (!data) return null;
    const { k, ox, oy } = projection(this.#target(), this.#size.width, this.#size.height);
    return [data.x[index] * k + ox, oy - data.y[index] * k];
  }

  /** Where the points are to be looked for: on their way by themselves, where they will be. */
  get #here() {
    return this.#motion.held ? this.#motion.now : this.#motion.data;
  }

  #target() {
    return this.#view ?? this.#fitted();
  }

  #fitted() {
    const box = this.#shared ?? this.box ?? { xMin: -1, xMax: 1, yMin: -1, yMax: 1 };
    return fit(box, this.#size.width, this.#size.height);
  }

  #zoom(x, y, factor) {
    const at = this.#toData(x, y);
    const view = zoomAt(this.#target(), at[0], at[1], factor);
    // Farther out than all points there is nothing to see.
    this.setView(view.units < this.#fitted().units ? view : null, true);
    this.#shown = this.#target();
  }

  #pan(dx, dy) {
    const view = this.#target();
    const { k } = projection(view, this.#size.width, this.#size.height);
    this.setView({ ...view, cx: view.cx - dx / k, cy: view.cy + dy / k }, true);
    this.#shown = this.#view;
  }

  #toData(left, top) {
    const { k, ox, oy } = projection(this.#target(), this.#size.width, this.#size.height);
    return [(left - ox) / k, (oy - top) / k, k];
  }

  #point(left, top, touch) {
    const { data } = this.#motion;
    if (left === null || !data) return this.#on.hover(-1);
    const here = this.#here;
    this.#grid ??= new BucketGrid(here.x, here.y, this.box);
    const [x, y, k] = this.#toData(left, top);
    const { labels } = data;
    const radius = (touch ? 2 * HOVER_PIXELS : HOVER_PIXELS) / k;
    this.#on.hover(this.#grid.nearest(x, y, radius, (i) => this.#style.visible[labels[i]]));
  }

  #drawOutline(path, done) {
    this.#outline = done ? null : path;
    this.#schedule("over");
    if (path.length && !done) this.#on.outlining();
    if (!done || !this.#motion.data) return;
    const [, , k] = this.#toData(0, 0);
    this.#on.outline(path.map(([x, y]) => this.#toData(x, y).slice(0, 2)), 1 / k);
  }

  #schedule(what = "all") {
    if (what === "all") this.#pending = "all";
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      const pending = this.#pending;
      this.#pending = "over";
      if (this.#size.width && this.#size.height) this.#draw(pending);
    });
  }

  #draw(what) {
    const { width, height, ratio } = this.#size;
    const { view, further } = this.#motion.advance(this.#target(), this.#view);
    this.#shown = view;
    const scene = { ...this.#scene(view, width, height, this.#motion.now), lasso: this.#outline, mark: this.#markNow() };
    if (what === "all" || further || this.#motion.moved) {
      const started = performance.now();
      drawUnder(this.#canvases.context("under"), scene);
      this.#drawPoints(view, ratio);
      this.stats.ms = performance.now() - started;
    }
    drawOver(this.#canvases.context("over"), scene);
    this.#on.drawn(this.stats);
    if (further) this.#schedule();
  }

  /** What the layers under and over the points draw (see scatter-layers.js). */
  #scene(view, width, height, now) {
    const { geometry } = now ?? {};
    return { ...this.#style, view, width, height, palette: this.#palette, geometry, trail: this.#motion.data?.trail, guest: this.#guest };
  }

  /** What a renderer draws (see scatter-cpu.js). */
  #frame(view, width, height, ratio, now) {
    const n = now ? now.x.length : 0;
    const { k, ox, oy } = projection(view, width * ratio, height * ratio);
    const closeness = this.box ? fit(this.#shared ?? this.box, width, height).units / view.units : 1;
    return {
      x: now?.x ?? [],
      y: now?.y ?? [],
      moved: true,
      labels: this.#motion.data?.labels ?? [],
      order: drawOrder(n),
      visible: this.#style.visible,
      selected: n ? this.#selected : null,
      colours: this.#palette.classes,
      ...pointLook(n, width, closeness, ratio),
      k,
      ox,
      oy,
    };
  }

  /** The plot at rest in another size, for a picture: {scene, frame} for the layers and for a renderer; null without points. */
  still(width, height, ratio) {
    const { data } = this.#motion;
    if (!data) return null;
    const view = this.#view ?? fit(this.#shared ?? this.box, width, height);
    return { scene: this.#scene(view, width, height, data), frame: this.#frame(view, width, height, ratio, data) };
  }

  #drawPoints(view, ratio) {
    const { width, height } = this.#size;
    const { now, moved, resting } = this.#motion;
    const { renderer } = this.#canvases;
    const n = now ? now.x.length : 0;
    const frame = { ...this.#frame(view, width, height, ratio, now), moved };
    this.#motion.moved = false;
    this.stats.renderer = renderer.kind;
    this.stats.drawn = renderer.draw(frame);
    this.stats.points = n;
    this.stats.highlights = frame.selected !== null;
    // Counted where the points come to rest: on the way there many may be out of sight for a moment.
    if (resting) this.stats.outside = n ? this.#countOutside(view) : 0;
  }

  #countOutside(view) {
    if (this.#view) return 0; // zoomed by hand: of course there is more outside
    const { x, y } = this.#motion.data;
    const box = visibleBox(view, this.#size.width, this.#size.height);
    let outside = 0;
    for (let i = 0; i < x.length; i++)
      if (!(x[i] >= box.xMin && x[i] <= box.xMax && y[i] >= box.yMin && y[i] <= box.yMax)) outside++;
    return outside;
  }

  #markNow() {
    const i = this.#mark;
    const { now, data } = this.#motion;
    if (i < 0 || !now || i >= now.x.length || !Number.isFinite(now.x[i])) return null;
    return { x: now.x[i], y: now.y[i], label: data.labels[i] };
  }
}
