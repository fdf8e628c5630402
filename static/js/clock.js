// The moment that a comparison shows: one number for all plots and curves. A whole one is an epoch; a fraction lies
// between two epochs, and is there only while the clock plays or is dragged.

const EPOCH_MS = 700;

/** How many times faster the clock may play. */
export const SPEEDS = [0.5, 1, 2, 4, 8];

const stillWanted = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** `on`: moved() whenever the moment is another one, rested() once the reader has chosen one. */
export class Clock {
  #on;
  #at = 0;
  #preview = 0;
  #frame = 0;
  follow = true;
  newest = 0;
  speed = 1;

  constructor(on) {
    this.#on = on;
  }

  /** In epochs: 3.4 is on the way from the third to the fourth; 0 before there is any. */
  get at() {
    const at = this.#preview || (this.follow ? this.newest : this.#at);
    return Math.min(this.newest, stillWanted() ? Math.round(at) : at);
  }

  /** The last epoch that was reached. */
  get epoch() {
    return Math.floor(this.at + 1e-6);
  }

  get playing() {
    return this.#frame !== 0;
  }

  /** Whether a curve is pointed at, and its epoch shown for that long. */
  get previewing() {
    return this.#preview !== 0;
  }

  /** The epoch that an address keeps: 0 while the newest is followed. */
  get kept() {
    return this.follow ? 0 : Math.round(this.#at);
  }

  /** Takes over an address's epoch, 0 for the newest. */
  restore(epoch) {
    this.stop();
    this.follow = !epoch;
    this.#at = epoch;
  }

  /** Goes to an epoch, or on the way to one while `dragging`. */
  seek(at, dragging = false) {
    if (!this.newest) return;
    this.stop();
    this.#go(at);
    if (!dragging) this.#rest();
  }

  /** Ends a drag at the nearest epoch. */
  settle() {
    this.#go(Math.round(this.#at));
    this.#rest();
  }

  /** Goes `by` epochs on. */
  step(by) {
    this.seek(this.epoch + by);
  }

  /** Shows the newest epoch, whichever that becomes. */
  followNewest() {
    this.stop();
    this.follow = true;
    this.#rest();
  }

  /** Shows an epoch for as long as it is pointed at; 0: no longer. */
  preview(epoch) {
    const wanted = epoch ? Math.max(1, Math.min(this.newest, epoch)) : 0;
    if (wanted === this.#preview || this.playing) return;
    this.#preview = wanted;
    this.#on.moved();
  }

  /** Plays from here, from the start at the end, or pauses. */
  toggle() {
    if (this.playing) {
      this.stop();
      return this.settle();
    }
    if (this.newest < 2) return;
    this.#preview = 0;
    this.#go(this.epoch >= this.newest ? 1 : this.epoch);
    let last = performance.now();
    const tick = (now) => {
      // A tab that was hidden, or a slow frame, does not make the clock leap.
      const passed = Math.min(120, Math.max(0, now - last));
      last = now;
      this.#frame = requestAnimationFrame(tick);
      this.#go(this.#at + (passed / EPOCH_MS) * this.speed);
      if (this.#at < this.newest) return;
      this.stop();
      this.settle();
    };
    this.#frame = requestAnimationFrame(tick);
    this.#on.moved();
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  #go(at) {
    this.follow = false;
    this.#at = Math.max(1, Math.min(this.newest, at));
    this.#on.moved();
  }

  #rest() {
    this.#preview = 0;
    this.#on.moved();
    this.#on.rested();
  }
}
