// How images of a comparison come to be selected, in all plots at once: by a rule, or by what is drawn in one of them; their count in
// the clock's bar, and the panel about them. Loaded with the first wish to select something.

import { PickedCount } from "./picked-count.js";
import { Selection } from "./selection.js";
import { anything, asksOutcome, insideOutline, membersOf, tidyOutline } from "./rules.js";
import { decodeRule, encodeRule } from "./rule-words.js";

export class Selecting {
  #comparison;
  #on;
  #element;
  #panel = null; // the one about the selection, once it was needed

  /** The selection as an address keeps it. */
  word = "";

  /**
   * `element`: where the panel goes; `on`: test() to show the test images, chosen(deliberate) once a selection is in the plots and its
   * word known, opened() when the reader is taken to the panel, later() to have `update` called.
   */
  constructor(comparison, store, element, on) {
    this.#comparison = comparison;
    this.#element = element;
    this.#on = on;
    this.selection = new Selection(comparison.runs, store);
    this.count = new PickedCount(comparison);
  }

  /** Selects by a rule (see rules.js); null clears. `deliberate`: by the reader's doing, not an address's. */
  async choose(rule, deliberate = false) {
    if (!rule) this.word = "";
    // A training image's point is from its own step, before the epoch's last layer was there: it has no outcome.
    else if (asksOutcome(rule)) this.#on.test();
    if (!(await this.selection.choose(rule, this.#comparison.split))) return;
    // The plots in the next frame, the rest of the page in the one after it.
    this.#highlight();
    await new Promise(requestAnimationFrame);
    if (this.selection.rule !== rule) return;
    if (rule) this.word = encodeRule(rule);
    this.#on.chosen(deliberate);
    if (rule) await this.open();
  }

  /** Selects what a word of an address says. */
  restore(word) {
    this.word = word;
    return this.choose(word ? decodeRule(word, this.#comparison.runs.length) : null);
  }

  /** Selects what lies within an outline that was drawn in a panel's plot. */
  outline(panel, polygon, pixel) {
    const { epoch, embedding, labels, alignment } = panel.shown;
    // In the run's own plane: a rule holds whatever the plane is laid over.
    const raw = alignment ? polygon.map((corner) => alignment.back(corner)) : polygon;
    const outline = { run: panel.index, epoch, polygon: tidyOutline(raw, pixel / (alignment?.scale ?? 1)), hidden: this.#hidden };
    const indices = insideOutline(outline, { ...embedding, labels });
    return this.choose(indices.length ? { ...this.#anything(this.#comparison.clock.epoch), area: { indices, outline } } : null, true);
  }

  /** Selects what a panel's run newly recognises ("gained") or no longer does ("lost") at the epoch that it shows. */
  changes(panel, word) {
    const { runs } = this.#comparison;
    return this.choose({ ...this.#anything(panel.shown.epoch), runs: runs.map((run) => (run === panel.run ? word : "")) }, true);
  }

  #anything(epoch) {
    return anything(this.#comparison.runs.length, epoch);
  }

  /** The classes that are not shown. */
  get #hidden() {
    return this.#comparison.options.visible.flatMap((v, k) => (v ? [] : [k]));
  }

  /** Shows the panel about the selection; `byHand`: also while nothing is selected. */
  async open(byHand = false) {
    const { SelectionPanel } = await import("./selection-panel.js");
    this.#panel ??= new SelectionPanel(this.#element, this.#comparison.runs, {
      choose: (rule) => this.#comparison.select(rule),
      mark: (index) => this.#comparison.mark(index),
      hidden: () => this.#hidden,
    });
    if (byHand) {
      this.#on.opened();
      this.#panel.open();
    }
    this.#on.later();
  }

  /** Brings count, plots and panel up to date. */
  update() {
    this.count.update(this.selection);
    this.#highlight();
    this.#panel?.update(this.selection, this.#shown, this.#comparison.epoch);
  }

  get #shown() {
    return this.#comparison.panels.filter((panel) => panel.shown);
  }

  #highlight() {
    const { indices } = this.selection;
    for (const panel of this.#shown) {
      const { n } = panel.shown.embedding;
      if (panel.picked === indices && panel.pickedOf === n) continue;
      panel.picked = indices;
      panel.pickedOf = n;
      panel.scatter.setSelection(indices.length ? membersOf(indices, n) : null);
    }
  }
}
