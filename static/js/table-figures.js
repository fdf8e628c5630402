// What the tables beside plots and curves hold (see data-table.js). Pure. Loaded with the first of them.

import { align, byEpoch, runningLoss } from "./charts.js";
import { coordinate, grouped, metricValue, percent } from "./format.js";

/** The plot as a table, a row a class: where its test images lie and how many of them are recognised. */
export function classFigures(run, shown) {
  const head = ["Digit", "Images", "Recognised", "Mean (x, y)", "Center (x, y)"];
  if (!shown) return { caption: `${run.name}: no points yet`, head, rows: [] };
  const { epoch, confusion, geometry } = shown.report;
  const place = ([x, y]) => `${coordinate(x)}, ${coordinate(y)}`;
  const rows = confusion.map((row, k) => {
    const count = row.reduce((a, b) => a + b, 0);
    return [String(k), grouped(count), percent(row[k] / count, 1), place(geometry.means[k]), place(geometry.centers[k])];
  });
  return { caption: `${run.name}, epoch ${epoch}`, head, rows };
}

/** The curves of a chart as a table, a row an epoch; as a file, a row for each point of the curves. */
export function curveFigures({ title, metric, runs }) {
  const curves = runs.map((run) => byEpoch(run, metric));
  const [epochs, ...columns] = align(curves);
  const names = runs.map((run) => run.name);
  const within = metric === "train_loss" ? runs : [];
  return {
    caption: title,
    head: ["Epoch", ...names],
    rows: epochs.map((epoch, i) => [String(epoch), ...columns.map((column) => metricValue(metric, column[i]))]),
    exact: { head: ["epoch", ...within.map((run) => `${run.name} within the epoch`), ...names], columns: align([...within.map(runningLoss), ...curves]) },
  };
}
