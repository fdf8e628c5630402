// Which images are selected, and why. Pure.
//
// A rule is {area, label, runs, disagree, not, hidden, epoch}; an image is selected when all of these hold for it (`not`:
// when one does not, and its label is none of `hidden`):
//   area: null, or what was drawn: {indices, outline}; outline: {run, epoch, polygon, hidden} or null, where the
//     indices come from an address that lists them
//   label: a digit, or null
//   runs: a word for each run: "right", "wrong", "gained" (newly right), "lost" (newly wrong), "0" … "9" (what it takes
//     the image for), or "" where it may do what it likes
//   disagree: whether not all runs must take it for the same digit
//   epoch: the one after which the runs are asked. The set stays when the clock goes on; the rule says how it came about.

import { insidePolygon } from "./geometry.js";

/** A rule that every image fulfils. */
export function anything(runs, epoch) {
  return { area: null, label: null, runs: new Array(runs).fill(""), disagree: false, not: false, hidden: [], epoch };
}

/** Whether a rule asks for nothing. */
export function asksNothing(rule) {
  return !rule.area && rule.label === null && !asksOutcome(rule);
}

/** Whether a rule asks how runs do on an image. */
export function asksOutcome(rule) {
  return rule.disagree || rule.runs.some((word) => word !== "");
}

/** What a rule needs to know of each run: [{now, before}…], the guesses after its epoch and after the one before. */
export function needs(rule) {
  return rule.runs.map((word) => ({ now: rule.disagree || word !== "", before: word === "gained" || word === "lost" }));
}

/**
 * The indices that a rule selects out of `n` images. `guesses[run]`: {now, before}, what the run takes each image for;
 * only as much of it as `needs` says. An image that a run has not seen fulfils nothing that is asked of that run.
 */
export function evaluate(rule, { n, labels, guesses }) {
  const within = rule.area ? membersOf(rule.area.indices, n) : null;
  // A run that has not seen any image yet disagrees with nobody.
  const opinions = rule.disagree ? guesses.map(({ now }) => now).filter((now) => now.length) : [];
  const found = [];
  for (let i = 0; i < n; i++) {
    let holds = (!within || within[i] === 1) && (rule.label === null || labels[i] === rule.label);
    for (let r = 0; holds && r < rule.runs.length; r++) holds = fulfils(rule.runs[r], guesses[r], labels[i], i);
    if (holds && rule.disagree) holds = disagreeOn(opinions, i);
    if (holds !== rule.not && !(rule.not && rule.hidden.includes(labels[i]))) found.push(i);
  }
  return found;
}

function fulfils(word, guess, label, i) {
  if (word === "") return true;
  const now = guess.now[i];
  if (now === undefined) return false;
  switch (word) {
    case "right":
      return now === label;
    case "wrong":
      return now !== label;
    case "gained":
      return now === label && i in guess.before && guess.before[i] !== label;
    case "lost":
      return now !== label && guess.before[i] === label;
    default:
      return now === Number(word);
  }
}

/** Whether runs take image i for different digits. `guesses`: what each run takes each image for. */
export function disagreeOn(guesses, i) {
  return guesses.some((guess) => guess[i] !== guesses[0][i]);
}

/** One byte an image: 1 for those listed. */
export function membersOf(indices, n) {
  const bytes = new Uint8Array(n);
  for (const i of indices) if (i < n) bytes[i] = 1;
  return bytes;
}

/** An outline as drawn, with at most a hundred or so corners, on a grid a quarter of a pixel wide: short in an address. */
export function tidyOutline(polygon, pixel) {
  const step = 2 ** Math.floor(Math.log2(pixel / 4));
  const apart = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
  const length = polygon.reduce((sum, corner, k) => sum + apart(corner, polygon.at(k - 1)), 0);
  const least = polygon.length > 4 ? Math.max(3 * pixel, length / 100) : 0;
  const kept = polygon.slice(0, 1);
  for (const corner of polygon) if (apart(corner, kept[kept.length - 1]) > least) kept.push(corner);
  return kept.map(([x, y]) => [Math.round(x / step) * step, Math.round(y / step) * step]);
}

/** The images inside an outline, of the classes that were visible then. */
export function insideOutline({ polygon, hidden }, { x, y, labels }) {
  return insidePolygon(polygon, x, y, (i) => !hidden.includes(labels[i]));
}
