// What a cell of the table of runs shows: from a field and a run's summary to text or elements.

import { h } from "./dom.js";
import { compact, duration, grouped, percent } from "./format.js";
import { hasEnded } from "./fold.js";
import { sparkline } from "./sparkline.js";

/** What a run says to a field; null where it says nothing. Pure. */
export function valueOf(field, run, now = Date.now()) {
  if (field.name === "duration") {
    if (!run.started_ms) return null;
    return ((hasEnded(run.status) ? (run.ended_ms ?? run.started_ms) : now) - run.started_ms) / 1000;
  }
  return field.path.split(".").reduce((at, part) => at?.[part], run) ?? null;
}

/** A field's value as people read it. Pure. */
export function cellText(field, run, now) {
  const value = valueOf(field, run, now);
  switch (field.kind) {
    case "number":
      return field.name === "epoch" ? `${run.epoch} / ${run.epochs}` : numberText(field, value);
    case "time":
      return value === null ? "" : new Date(value).toISOString().slice(0, 16).replace("T", " ");
    case "flag":
      return value ? "yes" : "no";
    case "tags":
      return value.join(", ");
    case "curve":
      return "";
    default:
      return value ?? "";
  }
}

function numberText(field, value) {
  if (!Number.isFinite(value)) return "–";
  if (field.name.endsWith("accuracy")) return percent(value);
  if (field.name === "duration") return duration(value);
  if (field.unit === "images/s") return grouped(value);
  // A choice is shown as it was made.
  if (Number.isInteger(value) || field.path.startsWith("spec.")) return String(value);
  return compact(value);
}

/** What a cell's look depends on: the cell is drawn anew only where this changes. Pure. */
export function cellKey(field, run) {
  if (field.kind === "curve") return valueOf(field, run).join(" ");
  if (field.name === "epoch") return `${run.epoch} ${run.epochs} ${hasEnded(run.status) ? "" : run.step}`;
  return cellText(field, run);
}

/**
 * What decides where a run stands among others, and whether it does: what they are sorted by, and, where a query picks them, the
 * epochs and edits that it may look at. Pure.
 */
export function placeOf(field, query, run) {
  return JSON.stringify([field && valueOf(field, run, 0), query && [run.epoch, run.name, run.tags, run.notes]]);
}

/** The content of a cell. */
export function cellContent(field, run) {
  const text = cellText(field, run);
  switch (field.kind) {
    case "curve": {
      const values = valueOf(field, run);
      const ends = [values[0], values.at(-1)].map((v) => (field.name === "accuracy_curve" ? percent(v) : compact(v)));
      return [sparkline(values, `from ${ends[0]} to ${ends[1]}`)];
    }
    case "tags":
      return run.tags.map((tag) => h("span", { class: "tag" }, tag));
    case "time":
      return [text && h("time", { datetime: new Date(valueOf(field, run)).toISOString() }, text)];
  }
  if (field.name === "name")
    return [h("a", { href: run.url, tabindex: "-1", draggable: "false" }, text), h("button", { type: "button", class: "pencil", tabindex: "-1", "aria-label": `Rename ${text}`, title: "Rename (F2)" })];
  if (field.name === "status") return [h("span", { class: `status status-${text.toLowerCase()}`, title: run.reason }, text)];
  if (field.name === "epoch" && !hasEnded(run.status)) {
    const bar = h("i");
    const underWay = run.steps ? run.step / run.steps : 0;
    bar.style.transform = `scaleX(${Math.min(1, (run.epoch + underWay) / run.epochs)})`;
    return [text, h("span", { class: "bar" }, bar)];
  }
  return [text];
}
