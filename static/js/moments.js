// From the clock to the points: between which epochs a run stands at a moment, and their embeddings, fetched so that
// the newest wish wins and no more than one fetch a plot is under way, however fast the clock is dragged.

const RETRY_MS = 4000;

/** Where a run stands at a moment: {from, to, t}, its reports and how far it is on the way; `to` null at rest. Pure. */
export function momentOf(run, at) {
  const { history } = run;
  let i = history.length - 1;
  while (i >= 0 && history[i].epoch > at + 1e-6) i--;
  if (i < 0) return null;
  const from = history[i];
  const to = history[i + 1];
  const t = to ? (at - from.epoch) / (to.epoch - from.epoch) : 0;
  return t > 1e-6 ? { from, to, t } : { from, to: null, t: 0 };
}

/** Keeps one panel's points at the moment last wished for. */
export class Feed {
  #store;
  #panel;
  #arrived;
  #wish = null;
  #busy = false;
  #retry = 0;

  /** `arrived()` after the panel got other points. */
  constructor(store, panel, arrived) {
    this.#store = store;
    this.#panel = panel;
    this.#arrived = arrived;
  }

  /**
   * Shows the run at a moment as soon as its points are here; `ahead`: the next epoch is likely to be wanted, too. `over`:
   * {reference: the run whose plane this one is laid over, alignments}, or null.
   */
  want(at, split, ahead, over) {
    this.#wish = { at, split, ahead, over };
    this.#serve();
  }

  #serve() {
    const { at, split, ahead, over } = this.#wish;
    const { run } = this.#panel;
    const moment = momentOf(run, at);
    const { data } = run;
    if (!moment || !data || this.#panel.refused) return;
    const fixed = over && over.reference !== run ? momentOf(over.reference, at) : null;
    const shownOf = (report, below) => {
      const embedding = report && this.#store.peek(run.id, report.epoch, split);
      const labels = this.#store.peekLabels(data, split);
      const alignment = embedding && below ? over.alignments.peek(run.id, report.epoch, over.reference.id, below.epoch) : null;
      if (!embedding || !labels || alignment === undefined) return null;
      return { epoch: report.epoch, split, data, report, embedding, labels, alignment };
    };
    const pairs = [
      [moment.from, fixed?.from],
      [moment.to, fixed?.to ?? fixed?.from],
    ];
    const [from, to] = pairs.map(([report, below]) => shownOf(report, below));
    if (from) {
      const other = this.#panel.show(from, to, moment.t);
      if (other) this.#arrived();
    }
    if (this.#busy || this.#retry) return;
    const missing = pairs.filter(([report, below]) => report && !shownOf(report, below));
    if (missing.length) this.#fetch(missing, data, split, over);
    else if (ahead && !moment.to) {
      const next = momentOf(run, moment.from.epoch + 1)?.from;
      if (next !== moment.from && !this.#store.peek(run.id, next.epoch, split)) this.#store.load(run.id, next.epoch, split).catch(() => {});
    }
  }

  async #fetch(pairs, data, split, over) {
    const { run } = this.#panel;
    this.#busy = true;
    try {
      await Promise.all([
        this.#store.labels(data, split),
        ...pairs.flatMap(([report, below]) => [
          this.#store.load(run.id, report.epoch, split),
          below && over.alignments.load(run.id, report.epoch, over.reference.id, below.epoch),
        ]),
      ]);
      this.#busy = false;
      this.#serve();
    } catch (error) {
      this.#busy = false;
      this.#panel.complain(`${error.message}. Trying again.`);
      this.#retry = setTimeout(() => {
        this.#retry = 0;
        this.#serve();
      }, RETRY_MS);
    }
  }
}
