// One scatter plot: points with the GPU or the CPU, layers under and over them, a view that zooms, pans and glides, and
// the hover. It knows positions and labels; what they mean is the business of whoever owns it.

import { BucketGrid } from "./grid.js";
import { bounds, fit, mixViews, projection, visibleBox, zoomAt } from "./geometry.js";
import { drawOver, drawUnder, fetchExtras } from "./scatter-layers.js";
import { CpuRenderer } from "./scatter-cpu.js";
import { gpuRenderer } from "./gpu.js";
import { drawOrder } from "./order.js";
import { mixArrays, mixBoxes, mixGeometry, pointLook } from "./scatter-look.js";
import { listen } from "./scatter-input.js";

const HOVER_PIXELS = 14;
const GLIDE_MS = 320;
const MOST_GLIDING_POINTS = 30_000;

export class Scatter {
  #element;
  #layers = {};
  #renderer;
  #on;
  #size = { width: 0, height: 0, ratio: 1 };
  #data = null; // what is shown: {x, y, labels, geometry, trail}
  #glide = null; // where it comes from while it moves by itself: {x, y, geometry, view, start}
  #between = null; // where the clock takes it: {x, y, geometry, box, t}
  #now = null; // what is on the screen at this moment: {x, y, geometry}
  #scratch = null; // the arrays of what lies between two epochs
  #box = null;
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
  #moved = false;

  /** What the last frame cost and drew: {renderer, drawn, points, ms, outside, highlights: whether some stand out}. */
  stats = { renderer: "", drawn: 0, points: 0, ms: 0, outside: 0, highlights: false };

  /** `on`: hover(index or −1), view(view or null), tool() → word, outline(polygon in data units, units of a pixel), hint(), drawn(stats). */
  constructor(element, palette, on) {
    this.#element = element;
    this.#palette = palette;
    this.#on = on;
    for (const name of ["under", "points", "over"]) {
      const canvas = document.createElement("canvas");
      canvas.className = `layer layer-${name}`;
      canvas.setAttribute("aria-hidden", "true");
      element.append(canvas);
      this.#layers[name] = canvas;
    }
    this.#renderer = new CpuRenderer(this.#layers.points);
    new ResizeObserver(() => this.#resize()).observe(element);
    this.#resize();
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

  /** Once there are points on the screen, the GPU takes over where there is one. */
  async #askForGpu() {
    const Renderer = await gpuRenderer();
    if (Renderer) this.#change((canvas) => new Renderer(canvas, () => this.#change((fresh) => new CpuRenderer(fresh))));
  }

  /** Goes on with another renderer. A canvas keeps its kind of context for life, so a new one is needed. */
  #change(make) {
    this.#renderer.destroy();
    this.#freshCanvas();
    try {
      this.#renderer = make(this.#layers.points);
    } catch {
      this.#freshCanvas();
      this.#renderer = new CpuRenderer(this.#layers.points);
    }
    this.#resize();
  }

  #freshCanvas() {
    const fresh = this.#layers.points.cloneNode();
    this.#layers.points.replaceWith(fresh);
    this.#layers.points = fresh;
  }

  /** Shows points {x, y, labels} with the geometry of their epoch and the `trail` to it; glides there from the last ones if `glide`. */
  setData(data, glide) {
    if (!this.#data) this.#askForGpu();
    this.#glide = null;
    if (glide && this.#now?.x.length === data.x.length) this.#startGlide();
    this.#data = data;
    this.#between = null;
    if (!this.#glide) this.#now = data;
    this.#box = bounds(data.x, data.y);
    this.#grid = null;
    this.#moved = true;
    this.#schedule();
  }

  #startGlide() {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still || this.#now.x.length > MOST_GLIDING_POINTS) return;
    const { x, y, geometry } = this.#now;
    this.#glide = { x: x.slice(), y: y.slice(), geometry, view: this.#shown, start: performance.now() };
  }

  /** Shows what lies between the points and those of the next epoch, `t` of the way; null: the points themselves again. */
  setBetween(next, t) {
    if (next?.x.length !== this.#data?.x.length) next = null;
    if (!next && !this.#between) return;
    if (next) {
      this.#glide = null;
      const box = this.#between?.x === next.x ? this.#between.box : bounds(next.x, next.y);
      this.#between = { ...next, box, t };
    } else {
      this.#startGlide();
      this.#between = null;
    }
    this.#grid = null;
    this.#moved = true;
    this.#schedule();
  }

  /** Shows nothing. */
  clear() {
    this.#data = this.#glide = this.#between = this.#now = this.#box = this.#grid = null;
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
    return this.#between ? mixBoxes(this.#box, this.#between.box, this.#between.t) : this.#box;
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
    if (this.#mark < 0 || !this.#data || this.#mark >= this.#data.x.length) return null;
    const { x: xs, y: ys } = this.#between ? this.#now : this.#data;
    const x = xs[this.#mark];
    const y = ys[this.#mark];
    const { k, ox, oy } = projection(this.#target(), this.#size.width, this.#size.height);
    return { x, y, left: x * k + ox, top: oy - y * k, width: this.#size.width, height: this.#size.height };
  }

  /** Where image `index` is drawn: [left, top] in CSS pixels of the plot. */
  placeOf(index) {
    if (!this.#data) return null;
    const { k, ox, oy } = projection(this.#target(), this.#size.width, this.#size.height);
    return [this.#data.x[index] * k + ox, oy - this.#data.y[index] * k];
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
    if (left === null || !this.#data) return this.#on.hover(-1);
    const here = this.#between ? this.#now : this.#data;
    this.#grid ??= new BucketGrid(here.x, here.y, this.box);
    const [x, y, k] = this.#toData(left, top);
    const { labels } = this.#data;
    const radius = (touch ? 2 * HOVER_PIXELS : HOVER_PIXELS) / k;
    this.#on.hover(this.#grid.nearest(x, y, radius, (i) => this.#style.visible[labels[i]]));
  }

  #drawOutline(path, done) {
    this.#outline = done ? null : path;
    this.#schedule("over");
    if (!done || !this.#data) return;
    const [, , k] = this.#toData(0, 0);
    this.#on.outline(path.map(([x, y]) => this.#toData(x, y).slice(0, 2)), 1 / k);
  }

  #resize() {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.#element;
    this.#size = { width, height, ratio };
    for (const canvas of Object.values(this.#layers)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.#moved = true;
    // At once: a canvas that changes its size is empty until it is drawn again.
    if (width && height) this.#draw("all");
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

  /** Moves positions and view on their way; whether they have further to go by themselves. */
  #advance() {
    const target = this.#target();
    const share = this.#glide ? (performance.now() - this.#glide.start) / GLIDE_MS : 1;
    this.#moved ||= this.#glide !== null;
    if (this.#between) {
      this.#now = this.#mixed(this.#data, this.#between, this.#between.t);
      this.#shown = target;
      return false;
    }
    if (share >= 1) {
      this.#glide = null;
      this.#now = this.#data;
      this.#shown = target;
      return false;
    }
    const t = 1 - (1 - share) ** 3;
    this.#now = this.#mixed(this.#glide, this.#data, t);
    this.#shown = this.#view ?? mixViews(this.#glide.view ?? target, target, t);
    return true;
  }

  #mixed(a, b, t) {
    const n = b.x.length;
    if (this.#scratch?.x.length !== n) this.#scratch = { x: new Float32Array(n), y: new Float32Array(n) };
    return {
      x: mixArrays(a.x, b.x, t, this.#scratch.x),
      y: mixArrays(a.y, b.y, t, this.#scratch.y),
      geometry: mixGeometry(a.geometry, b.geometry, t),
    };
  }

  #draw(what) {
    const { width, height, ratio } = this.#size;
    const further = this.#advance();
    const view = this.#shown;
    const scene = { ...this.#scene(view, width, height, this.#now), lasso: this.#outline, mark: this.#markNow() };
    if (what === "all" || further || this.#moved) {
      const started = performance.now();
      drawUnder(this.#context("under"), scene);
      this.#drawPoints(view, ratio);
      this.stats.ms = performance.now() - started;
    }
    drawOver(this.#context("over"), scene);
    this.#on.drawn(this.stats);
    if (further) this.#schedule();
  }

  /** What the layers under and over the points draw (see scatter-layers.js). */
  #scene(view, width, height, now) {
    const { geometry } = now ?? {};
    return { ...this.#style, view, width, height, palette: this.#palette, geometry, trail: this.#data?.trail, guest: this.#guest };
  }

  /** What a renderer draws (see scatter-cpu.js). */
  #frame(view, width, height, ratio, now) {
    const n = now ? now.x.length : 0;
    const { k, ox, oy } = projection(view, width * ratio, height * ratio);
    const closeness = this.#box ? fit(this.#shared ?? this.box, width, height).units / view.units : 1;
    return {
      x: now?.x ?? [],
      y: now?.y ?? [],
      moved: true,
      labels: this.#data?.labels ?? [],
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
    if (!this.#data) return null;
    const view = this.#view ?? fit(this.#shared ?? this.box, width, height);
    return { scene: this.#scene(view, width, height, this.#data), frame: this.#frame(view, width, height, ratio, this.#data) };
  }

  #drawPoints(view, ratio) {
    const { width, height } = this.#size;
    const n = this.#now ? this.#now.x.length : 0;
    const frame = { ...this.#frame(view, width, height, ratio, this.#now), moved: this.#moved };
    this.#moved = false;
    this.stats.renderer = this.#renderer.kind;
    this.stats.drawn = this.#renderer.draw(frame);
    this.stats.points = n;
    this.stats.highlights = frame.selected !== null;
    // Counted where the points come to rest: on the way there many may be out of sight for a moment.
    if (!this.#glide && !this.#between) this.stats.outside = n ? this.#countOutside(view) : 0;
  }

  #countOutside(view) {
    if (this.#view) return 0; // zoomed by hand: of course there is more outside
    const { x, y } = this.#data;
    const box = visibleBox(view, this.#size.width, this.#size.height);
    let outside = 0;
    for (let i = 0; i < x.length; i++)
      if (!(x[i] >= box.xMin && x[i] <= box.xMax && y[i] >= box.yMin && y[i] <= box.yMax)) outside++;
    return outside;
  }

  #markNow() {
    const i = this.#mark;
    if (i < 0 || !this.#now || i >= this.#now.x.length || !Number.isFinite(this.#now.x[i])) return null;
    return { x: this.#now.x[i], y: this.#now.y[i], label: this.#data.labels[i] };
  }

  #context(name) {
    const context = this.#layers[name].getContext("2d");
    context.setTransform(this.#size.ratio, 0, 0, this.#size.ratio, 0, 0);
    return context;
  }
}
