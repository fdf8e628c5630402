// Which point is nearest: a bucket grid over the plane, built when first asked. Pure.

/** An index over points for nearest(x, y, radius, wanted). */
export class BucketGrid {
  #x;
  #y;
  #box;
  #side;
  #starts;
  #items;

  /** `box` bounds the buckets; points outside of it fall into the outermost ones. */
  constructor(x, y, box) {
    this.#x = x;
    this.#y = y;
    this.#box = box;
    this.#side = Math.max(1, Math.min(256, Math.round(Math.sqrt(x.length / 4))));
    const side = this.#side;
    const counts = new Uint32Array(side * side + 1);
    const cell = new Int32Array(x.length);
    for (let i = 0; i < x.length; i++) {
      cell[i] = Number.isFinite(x[i]) && Number.isFinite(y[i]) ? this.#row(y[i]) * side + this.#column(x[i]) : -1;
      if (cell[i] >= 0) counts[cell[i] + 1]++;
    }
    for (let c = 0; c < side * side; c++) counts[c + 1] += counts[c];
    this.#starts = counts.slice();
    this.#items = new Uint32Array(counts[side * side]);
    for (let i = 0; i < x.length; i++) if (cell[i] >= 0) this.#items[counts[cell[i]]++] = i;
  }

  #column(x) {
    return this.#clamp((x - this.#box.xMin) / (this.#box.xMax - this.#box.xMin));
  }

  #row(y) {
    return this.#clamp((y - this.#box.yMin) / (this.#box.yMax - this.#box.yMin));
  }

  #clamp(share) {
    return Math.max(0, Math.min(this.#side - 1, Math.floor((Number.isFinite(share) ? share : 0) * this.#side)));
  }

  /** The index of the point nearest to (x, y) within `radius` that `wanted(i)` lets through, or −1. */
  nearest(x, y, radius, wanted) {
    let best = -1;
    let least = radius * radius;
    const lastColumn = this.#column(x + radius);
    const lastRow = this.#row(y + radius);
    for (let row = this.#row(y - radius); row <= lastRow; row++) {
      for (let column = this.#column(x - radius); column <= lastColumn; column++) {
        const c = row * this.#side + column;
        for (let s = this.#starts[c]; s < this.#starts[c + 1]; s++) {
          const i = this.#items[s];
          const dx = this.#x[i] - x;
          const dy = this.#y[i] - y;
          const d = dx * dx + dy * dy;
          if (d <= least && wanted(i)) {
            least = d;
            best = i;
          }
        }
      }
    }
    return best;
  }
}
