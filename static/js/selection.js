// The selected images: a rule, and the indices that it came to when it was chosen.

import { grouped, imagesOf } from "./format.js";
import { evaluate, insideOutline, needs } from "./rules.js";
import { commonData, reportAt } from "./fold.js";

const NOTHING = { now: [], before: [] };

export class Selection {
  rule = null;
  indices = [];
  /** "87 of 10 000 test images selected" */
  words = "";
  #runs;
  #store;
  #turn = 0;

  /** `runs`: those of the page; `store`: their embeddings. */
  constructor(runs, store) {
    this.#runs = runs;
    this.#store = store;
  }

  /**
   * Selects by a rule (null: nothing) among the images of a split: at once where all that the rule asks about is here,
   * else after fetching it. Resolves to whether it came about: a later choice overtakes an earlier one.
   */
  async choose(rule, split) {
    const turn = ++this.#turn;
    let indices = rule ? this.#apply(rule, split) : [];
    if (!indices) {
      await this.#fetch(rule, split);
      if (turn !== this.#turn) return false;
      indices = this.#apply(rule, split) ?? [];
    }
    this.rule = rule;
    this.indices = indices;
    this.words = `${grouped(indices.length)} of ${imagesOf(this.#count(split), split)} selected`;
    return true;
  }

  /** What run `r` reported of an epoch; null of a run that saw other images: its image i is not the one that is asked about. */
  #report(r, epoch) {
    return this.#alike.includes(this.#runs[r]) ? reportAt(this.#runs[r], epoch) : null;
  }

  /** The reports that a rule asks about: [{run, report}…]. */
  #reports(rule) {
    const list = needs(rule).flatMap(({ now, before }, r) => {
      const report = now ? this.#report(r, rule.epoch) : null;
      return [report, before && report ? this.#report(r, report.epoch - 1) : null].map((report) => ({ run: this.#runs[r], report }));
    });
    const outline = rule.area?.indices ? null : rule.area?.outline;
    if (outline) list.push({ run: this.#runs[outline.run], report: this.#report(outline.run, outline.epoch) });
    return list.filter(({ report }) => report);
  }

  async #fetch(rule, split) {
    const data = this.#data;
    await Promise.all([
      data && this.#store.labels(data, split),
      ...this.#reports(rule).map(({ run, report }) => this.#store.load(run.id, report.epoch, split)),
    ]);
  }

  /** The indices, null while something is missing. */
  #apply(rule, split) {
    const data = this.#data;
    const labels = data && this.#store.peekLabels(data, split);
    if (!labels) return null;
    const shown = (run, report) => this.#store.peek(run.id, report.epoch, split);
    if (this.#reports(rule).some(({ run, report }) => !shown(run, report))) return null;
    const guess = (run, report) => (report ? shown(run, report).guesses : []);
    const guesses = needs(rule).map(({ now, before }, r) => {
      const run = this.#runs[r];
      const report = now ? this.#report(r, rule.epoch) : null;
      return report ? { now: guess(run, report), before: before ? guess(run, this.#report(r, report.epoch - 1)) : [] } : NOTHING;
    });
    const { area } = rule;
    if (area && !area.indices) {
      const { run, epoch } = area.outline;
      const report = this.#report(run, epoch);
      area.indices = report ? insideOutline(area.outline, { ...shown(this.#runs[run], report), labels }) : [];
    }
    return evaluate(rule, { n: this.#count(split), labels, guesses });
  }

  get #data() {
    return commonData(this.#runs);
  }

  /** The runs that saw the images in question. */
  get #alike() {
    const data = this.#data;
    return this.#runs.filter((run) => run.data?.digest === data?.digest);
  }

  /** How many images a split has, in the run that saw most of them. */
  #count(split) {
    return Math.max(...this.#alike.map((run) => (split === "train" ? run.train_images : run.data?.test_images) ?? 0));
  }
}
