// How long the way is from the end of an epoch in the trainer to its pixels on this page, said in one calm line.

import { say } from "./dom.js";

const MOST = 500;
const NOT_OURS_MS = 60_000; // beyond it, two clocks disagree

/** The smallest value that at least `share` of `values` do not exceed; NaN of none. Pure. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/**
 * Measures every plot that follows the newest epoch on a page in sight: from `time_ms` of the epoch's event, which is when the
 * trainer was done with it, to the end of the first frame that shows it. `summary()` → {n, p50, p99} in milliseconds.
 */
export class Latency {
  #element;
  #due = new Map(); // run → the report that a plot is about to show
  #measured = [];
  #inSight = 0; // since when

  constructor(element, live, comparison) {
    this.#element = element;
    live.subscribe((run, what) => {
      if (what !== "epoch") return;
      const report = run.history.at(-1);
      // What came while the page was out of sight was not waited for.
      const watched = !document.hidden && report.time_ms >= this.#inSight && comparison.state.epoch === 0;
      if (watched) this.#due.set(run, report);
      else this.#due.delete(run);
    });
    document.addEventListener("visibilitychange", () => (this.#inSight = Date.now()));
    for (const panel of comparison.panels) panel.onDrawn = (report) => this.#drawn(panel.run, report);
  }

  #drawn(run, report) {
    if (this.#due.get(run) !== report) return;
    this.#due.delete(run);
    // The next frame begins when this one is on its way to the screen.
    requestAnimationFrame(() => {
      const ms = Date.now() - report.time_ms;
      if (!(ms >= 0 && ms < NOT_OURS_MS)) return;
      this.#measured.push(ms);
      if (this.#measured.length > MOST) this.#measured.shift();
      const { n, p50, p99 } = this.summary();
      this.#element.hidden = false;
      say(this.#element, `From the trainer’s epoch end to pixels: p50 ${p50} ms · p99 ${p99} ms · n ${n}`);
    });
  }

  summary() {
    return { n: this.#measured.length, p50: percentile(this.#measured, 0.5), p99: percentile(this.#measured, 0.99) };
  }
}
