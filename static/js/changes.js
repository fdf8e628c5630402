// What changed since the last epoch: how many images a run newly recognises and how many it no longer does.

import { reportAt } from "./fold.js";

/** What changed between two epochs of a run: how many images are newly right and how many newly wrong. Pure. */
export function countChanges(before, now, labels) {
  let gained = 0;
  let lost = 0;
  for (let i = 0; i < now.length; i++) {
    const was = before[i] === labels[i];
    const is = now[i] === labels[i];
    if (is && !was) gained++;
    if (was && !is) lost++;
  }
  return { gained, lost };
}

/** Tells a panel what changed at the epoch that it shows; fetches the epoch before where `patient`, else only looks. */
export async function showChanges(panel, store, patient) {
  const { run, shown } = panel;
  if (panel.changesOf === shown) return;
  const { report, split, embedding, labels } = shown;
  const last = split === "test" ? reportAt(run, report.epoch - 1) : null;
  let before = last && store.peek(run.id, last.epoch, split);
  if (before || patient) panel.changesOf = shown;
  if (!before && last && patient) {
    before = await store.load(run.id, last.epoch, split).catch(() => null);
    if (panel.shown !== shown) return;
  }
  panel.setChanges(before ? { ...countChanges(before.guesses, embedding.guesses, labels), since: last.epoch } : null);
}
