// Confusion matrices: rows are true digits, columns predictions, and a cell selects its images.

import { PickedCount } from "./picked-count.js";
import { h } from "./dom.js";
import { reportAt } from "./fold.js";
import { anything } from "./rules.js";

/** A cell's shade, 0 to 10, by its share of the row. Pure. */
export function shade(count, rowSum) {
  return rowSum ? Math.ceil((10 * count) / rowSum) : 0;
}

const drawn = new WeakMap();

/** Fills a table's body with a matrix (10 rows of 10 counts), unless it holds it already; what had the focus keeps it. */
export function showMatrix(table, confusion) {
  if (drawn.get(table) === confusion) return;
  drawn.set(table, confusion);
  const rows = confusion.map((row, label) => {
    const sum = row.reduce((a, b) => a + b, 0);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("i", { class: `swatch class-${label}` }), String(label)),
      row.map((count, guess) =>
        h(
          "td",
          { class: `shade-${shade(count, sum)}${guess === label ? " correct" : ""}` },
          h(
            "button",
            {
              type: "button",
              "data-label": label,
              "data-guess": guess,
              disabled: count === 0,
              title: guess === label ? `${count} images of ${label} recognised` : `${count} images of ${label} taken for ${guess}`,
            },
            count ? String(count) : "·",
          ),
        ),
      ),
      h("td", { class: "recall" }, sum ? `${((100 * row[label]) / sum).toFixed(1)} %` : "–"),
    );
  });
  const focused = document.activeElement?.closest("table") === table ? document.activeElement.dataset : {};
  table.tBodies[0].replaceChildren(...rows);
  if (focused.guess !== undefined)
    table.querySelector(`button[data-label="${focused.label}"][data-guess="${focused.guess}"]`)?.focus();
}

/** Lets a click on a cell of run `r`'s matrix select its test images. */
export function selectCells(table, comparison, r) {
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("button[data-label]");
    if (!cell) return;
    if (comparison.split !== "test") comparison.set({ split: "test" });
    const rule = anything(comparison.runs.length, comparison.epoch);
    rule.label = Number(cell.dataset.label);
    rule.runs[r] = cell.dataset.guess;
    comparison.select(rule);
  });
}

/** The matrices of all runs of a comparison, inside a <details> that was just opened. */
export function keepMatrices(details, comparison) {
  const tables = comparison.runs.map((run, r) => {
    const table = h(
      "table",
      { class: "confusion" },
      h("caption", {}, h("i", { class: `glyph run-${r}`, "aria-hidden": "true" }), run.name),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "digit")), Array.from({ length: 10 }, (_, k) => h("th", { scope: "col" }, String(k))), h("th", { scope: "col" }, "right"))),
      h("tbody"),
    );
    selectCells(table, comparison, r);
    return table;
  });
  // The plots are out of sight from here: what a click selected is told beside the cells, too.
  const picked = new PickedCount(comparison);
  details.append(h("div", { class: "matrices" }, tables), picked.element);
  comparison.onEpoch = () => {
    picked.update(comparison.selection);
    comparison.runs.forEach((run, r) => {
      const report = reportAt(run, comparison.epoch);
      if (report) showMatrix(tables[r], report.confusion);
    });
  };
  comparison.onEpoch();
}
