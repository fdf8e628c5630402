// What changed since the last epoch: how many images a run newly recognises and how many it no longer does.

import { predictAll } from "./geometry.js";
import { countChanges } from "./rules.js";
import { reportAt } from "./fold.js";

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
  panel.setChanges(
    before ? { ...countChanges(predictAll(last.geometry, before), predictAll(report.geometry, embedding), labels), since: last.epoch } : null,
  );
}
