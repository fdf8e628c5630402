// Points on their way: by themselves to those that were set last, by the clock's doing between two epochs, or at rest. Knows
// nothing of canvases.

import { bounds, mixViews } from "./geometry.js";

const GLIDE_MS = 320;
const MOST_GLIDING_POINTS = 30_000;

export class Motion {
  data = null; // at rest: {x, y, labels, geometry, trail}
  now = null; // at this moment: {x, y, geometry}
  moved = false; // since the points were last drawn
  #glide = null; // where they come from while they move by themselves: {x, y, geometry, view, start}
  #between = null; // where the clock takes them: {x, y, geometry, box, t}
  #box = null;
  #scratch = null; // the arrays of what lies between two epochs

  /** Takes over other points; with `glide` they go there from where they are, which `view` shows. */
  set(data, glide, view) {
    this.#glide = null;
    if (glide && this.now?.x.length === data.x.length) this.#start(view);
    this.data = data;
    this.#between = null;
    if (!this.#glide) this.now = data;
    this.#box = bounds(data.x, data.y);
    this.moved = true;
  }

  #start(view) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still || this.now.x.length > MOST_GLIDING_POINTS) return;
    const { x, y, geometry } = this.now;
    this.#glide = { x: x.slice(), y: y.slice(), geometry, view, start: performance.now() };
  }

  /** What lies `t` of the way to the points of the next epoch; null: the points themselves again. Whether that changes anything. */
  setBetween(next, t, view) {
    if (next?.x.length !== this.data?.x.length) next = null;
    if (!next && !this.#between) return false;
    if (next) {
      this.#glide = null;
      const box = this.#between?.x === next.x ? this.#between.box : bounds(next.x, next.y);
      this.#between = { ...next, box, t };
    } else {
      this.#start(view);
      this.#between = null;
    }
    this.moved = true;
    return true;
  }

  clear() {
    this.data = this.now = this.#glide = this.#between = this.#box = null;
  }

  /** The box of the points, null without any. */
  get box() {
    return this.#between ? mixBoxes(this.#box, this.#between.box, this.#between.t) : this.#box;
  }

  /** Whether the clock holds them between two epochs. */
  get held() {
    return this.#between !== null;
  }

  /** Whether they are where they belong. */
  get resting() {
    return !this.#glide && !this.#between;
  }

  /**
   * Goes on to this moment. `target`: the view at rest; `chosen`: one chosen by hand, or null. Gives the view to show and whether
   * there is further to go without anybody's doing.
   */
  advance(target, chosen) {
    if (this.#between) {
      this.now = this.#mixed(this.data, this.#between, this.#between.t);
      return { view: target, further: false };
    }
    this.moved ||= this.#glide !== null;
    const share = this.#glide ? (performance.now() - this.#glide.start) / GLIDE_MS : 1;
    if (share >= 1) {
      this.#glide = null;
      this.now = this.data;
      return { view: target, further: false };
    }
    const t = 1 - (1 - share) ** 3;
    this.now = this.#mixed(this.#glide, this.data, t);
    return { view: chosen ?? mixViews(this.#glide.view ?? target, target, t), further: true };
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
}

/** Positions on their way from a to b, t from 0 to 1, written to `out`; a point that comes from nowhere is there at once. Pure. */
export function mixArrays(a, b, t, out = new Float32Array(b.length)) {
  for (let i = 0; i < b.length; i++) out[i] = a[i] === a[i] ? a[i] + (b[i] - a[i]) * t : b[i];
  return out;
}

/** The same for centers, means and the last layer: the regions' borders move with them. Pure. */
export function mixGeometry(a, b, t) {
  if (!a || !b) return b;
  const mixPairs = (p, q) => q.map(([x, y], i) => [p[i][0] + (x - p[i][0]) * t, p[i][1] + (y - p[i][1]) * t]);
  return {
    centers: mixPairs(a.centers, b.centers),
    means: mixPairs(a.means, b.means),
    weight: mixPairs(a.weight, b.weight),
    bias: b.bias.map((v, i) => a.bias[i] + (v - a.bias[i]) * t),
  };
}

/** Between two boxes. Pure. */
export function mixBoxes(a, b, t) {
  const mix = (side) => a[side] + (b[side] - a[side]) * t;
  return { xMin: mix("xMin"), xMax: mix("xMax"), yMin: mix("yMin"), yMax: mix("yMax") };
}
