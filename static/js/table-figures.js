// What the tables beside plots and curves hold (see data-table.js). Pure. Loaded with the first of them.

import { align, byEpoch, runningLoss } from "./charts.js";
import { coordinate, grouped, metricValue, percent } from "./format.js";

/** The plot as a table, a row a class: where its test images lie and how many of them are recognised. */
export function classFigures(run, shown) {
  const head = ["Digit", "Images", "Recognised", "Mean (x, y)", "Center (x, y)"];
  if (!shown) return { caption: `${run.name}: no points yet`, head, rows: [] };
  const { epoch, confusion, geometry } = shown.report;
  const place = ([x, y]) => `${coordinate(x)}, ${coordinate(y)}`;
  const { means, centers } = geometry;
  const counts = confusion.map((row) => row.reduce((a, b) => a + b, 0));
  const rows = confusion.map((row, k) => [String(k), grouped(counts[k]), percent(row[k] / counts[k], 1), place(means[k]), place(centers[k])]);
  const axis = (places, k) => places.map((place) => place[k]);
  return {
    caption: `${run.name}, epoch ${epoch}`,
    head,
    rows,
    exact: {
      head: ["digit", "images", "recognised", "mean x", "mean y", "center x", "center y"],
      columns: [confusion.map((_, k) => k), counts, confusion.map((row, k) => row[k]), axis(means, 0), axis(means, 1), axis(centers, 0), axis(centers, 1)],
    },
  };
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
