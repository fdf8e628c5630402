// Rules (see rules.js) as words for an address and as sentences for people. Pure. Loaded once something is selected.

import { anything, asksOutcome } from "./rules.js";

/** What can be asked of a run, beside a digit: the word, its sign in an address, its name. */
export const WORDS = [
  ["right", "r", "right in"],
  ["wrong", "w", "wrong in"],
  ["gained", "g", "newly right in"],
  ["lost", "l", "newly wrong in"],
];

/** More images than that are kept in an address by the outline that holds them. */
const MOST_LISTED = 200;

/** A rule as a word for an address. */
export function encodeRule(rule) {
  const parts = [];
  if (rule.area) {
    const { indices, outline } = rule.area;
    parts.push(outline && indices.length > MOST_LISTED ? encodeOutline(outline) : `i${encodeIndices(indices)}`);
  }
  if (rule.label !== null) parts.push(`d${rule.label}`);
  rule.runs.forEach((word, r) => {
    if (word === "") return;
    const sign = WORDS.find(([name]) => name === word)?.[1];
    parts.push(sign ? `${sign}${r}` : `p${r}${word}`);
  });
  if (rule.disagree) parts.push("x");
  if (rule.not) parts.push(`n${rule.hidden.join("")}`);
  parts.push(`e${rule.epoch}`);
  return parts.join("_");
}

/** The rule of such a word for that many runs; null where it is none. An outline's indices are null: they have yet to be found. */
export function decodeRule(text, runs) {
  const rule = anything(runs, 0);
  for (const part of (text ?? "").split("_")) {
    const sign = part[0];
    const rest = part.slice(1);
    const word = WORDS.find((entry) => entry[1] === sign)?.[0];
    if (sign === "i") rule.area = { indices: decodeIndices(rest), outline: null };
    else if (sign === "o") rule.area = { indices: null, outline: decodeOutline(rest, runs) };
    else if (sign === "d" && /^\d$/.test(rest)) rule.label = Number(rest);
    else if (word && /^\d$/.test(rest) && rest < runs) rule.runs[rest] = word;
    else if (sign === "p" && /^\d\d$/.test(rest) && rest[0] < runs) rule.runs[rest[0]] = rest[1];
    else if (part === "x") rule.disagree = true;
    else if (/^n\d{0,10}$/.test(part)) Object.assign(rule, { not: true, hidden: [...rest].map(Number) });
    else if (sign === "e" && /^\d{1,6}$/.test(rest)) rule.epoch = Number(rest);
    else return null;
  }
  const broken = rule.area && !rule.area.indices && !rule.area.outline;
  return broken || !rule.epoch ? null : rule;
}

/** Ascending numbers as the gaps between them, in base 36. */
export function encodeIndices(indices) {
  return indices.map((index, k) => (index - (k ? indices[k - 1] : 0)).toString(36)).join(".");
}

/** The numbers again; null where the text is none of that kind. */
export function decodeIndices(text) {
  if (text === "") return [];
  if (!/^[0-9a-z]{1,6}(\.[0-9a-z]{1,6})*$/.test(text)) return null;
  let index = 0;
  return text.split(".").map((gap) => (index += Number.parseInt(gap, 36)));
}

/** Run, epoch, the grid's step as a power of two, hidden classes, then the corners as steps from one to the next. */
function encodeOutline({ run, epoch, polygon, hidden }) {
  const step = gridStep(polygon);
  let last = [0, 0];
  const corners = polygon.map(([x, y]) => {
    const cell = [Math.round(x / step), Math.round(y / step)];
    const text = cell.map((value, axis) => (value - last[axis]).toString(36));
    last = cell;
    return text.join(".");
  });
  return `o${[run, epoch, Math.log2(step), hidden.join("") || "*", ...corners].join(".")}`;
}

function decodeOutline(text, runs) {
  const [run, epoch, power, hidden, ...steps] = text.split(".");
  const numbers = steps.map((part) => (/^-?[0-9a-z]{1,9}$/.test(part) ? Number.parseInt(part, 36) : NaN));
  const well = /^\d$/.test(run) && run < runs && /^\d{1,6}$/.test(epoch) && /^-?\d{1,2}$/.test(power) && /^(\*|\d{1,10})$/.test(hidden);
  if (!well || numbers.length < 6 || numbers.length % 2 || numbers.some(Number.isNaN)) return null;
  const step = 2 ** Number(power);
  const polygon = [];
  for (let k = 0, x = 0, y = 0; k < numbers.length; k += 2) {
    x += numbers[k];
    y += numbers[k + 1];
    polygon.push([x * step, y * step]);
  }
  return { run: Number(run), epoch: Number(epoch), polygon, hidden: hidden === "*" ? [] : [...hidden].map(Number) };
}

/** The largest power of two that all corners are multiples of. */
function gridStep(polygon) {
  const whole = (step) => polygon.every(([x, y]) => Number.isInteger(x / step) && Number.isInteger(y / step));
  let power = 20;
  while (power > -60 && !whole(2 ** power)) power--;
  return 2 ** power;
}

/** A rule in words: "inside an outline, labelled 7, wrong in V1.0 after epoch 3". `names`: of the runs. */
export function describeRule(rule, names) {
  const parts = [];
  if (rule.area) parts.push(rule.area.outline ? `drawn in ${names[rule.area.outline.run]}` : "listed");
  if (rule.label !== null) parts.push(`labelled ${rule.label}`);
  rule.runs.forEach((word, r) => {
    if (word === "") return;
    const said = WORDS.find(([name]) => name === word)?.[2];
    parts.push(said ? `${said} ${names[r]}` : `taken for ${word} by ${names[r]}`);
  });
  if (rule.disagree) parts.push("runs disagree");
  const without = rule.not && rule.hidden.length ? ` and the hidden classes (${rule.hidden.join(", ")})` : "";
  return `${rule.not ? "all but: " : ""}${parts.join(", ")}${asksOutcome(rule) ? ` after epoch ${rule.epoch}` : ""}${without}`;
}
