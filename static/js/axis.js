// An axis for any column of values: numbers on a line or by their logarithms, words side by side. Pure.

import { metricValue } from "./format.js";

const LOGARITHMIC_FROM = 50; // times between the smallest and the largest

const shown = (v) => String(Number.isInteger(v) ? v : Number(v.toPrecision(4))); // a setting as it was asked for

/** {kind: "linear" | "log" | "words", place(value) → 0…1 or null, ticks: [[place, text]…]} for a column of values, each worded by `text`. */
export function axisOf(values, text = shown) {
  const known = values.filter((v) => v !== null && v !== undefined);
  if (known.some((v) => typeof v !== "number")) {
    const words = [...new Set(known.map(String))].sort();
    const place = (v) => (words.includes(String(v)) ? (words.length === 1 ? 0.5 : words.indexOf(String(v)) / (words.length - 1)) : null);
    return { kind: "words", place, ticks: words.map((word) => [place(word), word]) };
  }
  const [min, max] = [Math.min(...known), Math.max(...known)];
  if (known.length === 0 || min === max) {
    return { kind: "linear", place: (v) => (Number.isFinite(v) ? 0.5 : null), ticks: known.length ? [[0.5, text(min)]] : [] };
  }
  const kind = min > 0 && max / min >= LOGARITHMIC_FROM ? "log" : "linear";
  const scale = kind === "log" ? Math.log : (v) => v;
  const place = (v) => (Number.isFinite(v) ? (scale(v) - scale(min)) / (scale(max) - scale(min)) : null);
  const distinct = [...new Set(known)].sort((a, b) => a - b);
  // Few values are all named; of many, both ends and the middle.
  const middle = kind === "log" ? Math.sqrt(min * max) : (min + max) / 2;
  const named = distinct.length <= 6 ? distinct : [min, middle, max];
  return { kind, place, ticks: named.map((v) => [place(v), text(v)]) };
}

/** The columns of a sweep's runs: settings that differ, then metrics: [{name, label, text(value), value(run)}…]. `labels`: a metric's for people. */
export function fieldColumns({ varied, runs, labels }, metrics) {
  const settings = varied.map((name) => ({ name, label: name, text: shown, value: (run) => run.settings[name] ?? null }));
  const measured = metrics.filter((name) => runs.some((run) => Number.isFinite(run.last[name])));
  return [...settings, ...measured.map((name) => ({ name, label: labels?.get(name) ?? name, text: (value) => metricValue(name, value), value: (run) => run.last[name] ?? null }))];
}
