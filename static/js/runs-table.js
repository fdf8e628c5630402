// The table of runs: rows of running ones kept up to date in place.

import { role, say } from "./dom.js";
import { compact, grouped, percent } from "./format.js";
import { hasEnded } from "./fold.js";

/** The ids of the rows whose runs have not ended. */
export function activeRuns(table) {
  return [...table.querySelectorAll("tr[data-run][data-active]")].map((row) => row.dataset.run);
}

/** Keeps the rows of live runs up to date. */
export function keepRows(table, live) {
  const update = (run) => {
    const row = table.querySelector(`tr[data-run="${run.id}"]`);
    if (!row) return;
    const status = role(row, "status");
    say(status, run.status);
    status.className = `status status-${run.status.toLowerCase()}`;
    const under_way = hasEnded(run.status) || !run.steps ? 0 : run.step / run.steps;
    say(role(row, "epoch"), `${run.epoch} / ${run.epochs}`);
    role(row, "epoch-bar").style.transform = `scaleX(${Math.min(1, (run.epoch + under_way) / run.epochs)})`;
    if (Number.isFinite(run.test_accuracy)) say(role(row, "accuracy"), percent(run.test_accuracy, 1));
    if (Number.isFinite(run.train_loss)) say(role(row, "loss"), compact(run.train_loss));
    if (run.images_per_s) say(role(row, "speed"), `${grouped(run.images_per_s)} images/s`);
    if (run.data_name) say(role(row, "data"), run.data_name);
    const stop = role(row, "stop");
    if (stop && hasEnded(run.status)) stop.remove();
  };
  live.subscribe((run) => {
    if (run) return update(run);
    for (const id of activeRuns(table)) if (live.get(id)) update(live.get(id));
  });
}
