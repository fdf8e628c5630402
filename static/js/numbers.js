// The table of numbers under the plots: one row a metric, one column a run, the better one marked.

import { h } from "./dom.js";
import { metricValue, roughly } from "./format.js";
import { hasEnded, reportAt, runSecondsLeft } from "./fold.js";

/** Whether a metric is one of an epoch, and no milestone. Pure. */
const ofAnEpoch = (metric) => metric.test_accuracy === undefined;

/**
 * A metric's value: of an epoch's report, or, for a milestone, the first epoch of the run that reached it (a fork may have passed it
 * while its epochs were another run's, and has none). Pure.
 */
export function valueOf(metric, run, report) {
  if (ofAnEpoch(metric)) return report?.metrics[metric.name] ?? NaN;
  if (run.fork) return NaN;
  // A replay may lack the epoch, and knows it nevertheless.
  return run.reached?.[metric.name] ?? run.history.find((r) => r.metrics.test_accuracy >= metric.test_accuracy)?.epoch ?? NaN;
}

/** The value in words, "" where there is nothing to say: that a milestone was not reached is known as soon as the run has an epoch. Pure. */
export function wordsOf(metric, run, report) {
  const value = valueOf(metric, run, report);
  if (Number.isFinite(value)) return metricValue(metric.name, value);
  if (ofAnEpoch(metric) || run.fork || !run.history.length) return "";
  return hasEnded(run.status) ? "not reached" : "not yet";
}

/** What decides what the table says, to be compared with the last time. Pure. */
export function numbersKey(runs, epoch) {
  return JSON.stringify(runs.map((run) => [reportAt(run, epoch)?.epoch, run.history.length, run.status, timeLeft(run)]));
}

/** How long the run still takes, in words. Pure. */
function timeLeft(run) {
  const seconds = hasEnded(run.status) ? null : runSecondsLeft(run);
  return seconds === null ? "–" : roughly(seconds);
}

/** The indices of the best values: empty where neither way is better, where fewer than two are known, or where all are equal. Pure. */
export function bestOf(values, higherIsBetter) {
  const known = values.filter(Number.isFinite);
  if (higherIsBetter === null || higherIsBetter === undefined || known.length < 2) return [];
  const best = higherIsBetter ? Math.max(...known) : Math.min(...known);
  if (known.every((v) => v === best)) return [];
  return values.flatMap((v, i) => (v === best ? [i] : []));
}

/** Whether two runs minimise the same loss, as `RunSpec::shares_loss` says. Pure. */
export const sharesLoss = (a, b) => a.distance === b.distance && a.lambda === b.lambda && a.batch_size === b.batch_size;

/** Keeps a table, which a page may lack, up to date; `metrics` are the server's definitions. Returns the function to call with runs and epoch. */
export function keepNumbers(table, metrics) {
  let last = "";
  return (runs, epoch) => {
    const key = numbersKey(runs, epoch);
    if (!table || key === last) return;
    last = key;
    fill(table, metrics, runs, epoch);
  };
}

/** Fills the table's body for an epoch. */
function fill(table, metrics, runs, epoch) {
  const reports = runs.map((run) => reportAt(run, epoch));
  // While runs that still train are behind, none of their numbers is better or worse.
  const comparable = reports.every((r) => r?.epoch === reports[0]?.epoch) || runs.every((run) => hasEnded(run.status));
  const oneLoss = runs.every((run) => sharesLoss(run.spec, runs[0].spec));
  const known = (m) => runs.some((run, i) => wordsOf(m, run, reports[i]));
  const rows = metrics.filter(known);
  if (rows.length === 0) return;
  const body = h(
    "tbody",
    {},
    row("Epoch", "", "The epoch that the numbers of a column belong to.", reports.map((r) => (r ? String(r.epoch) : "–")), []),
    rows.map((metric) => {
      const values = runs.map((run, i) => valueOf(metric, run, reports[i]));
      const way = { true: " Higher is better.", false: " Lower is better." }[metric.higher_is_better] ?? "";
      const units = metric.of_the_loss && !oneLoss ? " These runs minimise different losses, so none is marked." : "";
      return row(
        metric.label,
        metric.unit,
        metric.help + way + units,
        runs.map((run, i) => wordsOf(metric, run, reports[i]) || "–"),
        comparable && !units ? bestOf(values, metric.higher_is_better) : [],
      );
    }),
    runs.every((run) => hasEnded(run.status))
      ? null
      : row("Time left", "", "Until the last epoch is done, from the mean time of the epochs so far.", runs.map(timeLeft), []),
  );
  const open = document.activeElement?.closest("tbody") === table.tBodies[0] ? document.activeElement.textContent : null;
  table.tBodies[0].replaceWith(body);
  if (open) [...body.querySelectorAll("[tabindex]")].find((e) => e.textContent === open)?.focus();
}

function row(label, unit, help, texts, best) {
  return h(
    "tr",
    {},
    h(
      "th",
      { scope: "row" },
      h("span", { class: "term", tabindex: "0", "data-help": help }, label),
      unit ? h("small", {}, ` ${unit}`) : null,
    ),
    texts.map((text, i) =>
      h("td", { class: best.includes(i) ? "best" : null }, text, best.includes(i) ? h("span", { class: "visually-hidden" }, " (best)") : null),
    ),
  );
}
