// Starting runs again: the same specs, or with another seed or number of epochs.

import { askFor } from "./ask-dialog.js";
import { forEach } from "./edits.js";
import { duration, grouped } from "./format.js";
import { hasEnded } from "./fold.js";
import { ask } from "./row-source.js";
import { offerUndo } from "./undo.js";

/** The request that gives a run again; `changes`: fields that are to be others. A name that its settings made is made anew. Pure. */
export function requestAgain(run, changes = {}) {
  const own = run.name === `${run.label} seed ${run.seed}` ? {} : { name: run.name };
  return { ...run.spec, ...own, ...changes };
}

const plural = (n) => `${grouped(n)} ${n === 1 ? "run" : "runs"}`;

/** Asks, and starts `runs` again. `count(done)` tells how many are. */
export async function repeatRuns(runs, count) {
  // A fork goes on from another run's checkpoint: its page has the request for that.
  const whole = runs.filter((run) => !run.fork);
  const left = runs.length - whole.length;
  if (!whole.length) throw new Error("forks are repeated on their pages, by the request that stands there");
  const took = whole.filter((run) => hasEnded(run.status) && run.started_ms && run.ended_ms).map((run) => (run.ended_ms - run.started_ms) / 1000);
  const sentences = [
    "The same settings and seeds give the same numbers to the bit.",
    took.length ? `Last time ${took.length === whole.length ? "they" : `${grouped(took.length)} of them`} took ${duration(took.reduce((a, b) => a + b))} in all.` : "",
    left ? `${plural(left)} left out: forks are repeated on their pages.` : "",
  ];
  const values = await askFor({
    title: `Start ${plural(whole.length)} again`,
    text: sentences.filter(Boolean).join(" "),
    fields: [
      { name: "seed", label: "Seed", type: "number", min: "0", step: "1", placeholder: "each run’s own" },
      { name: "epochs", label: "Epochs", type: "number", min: "1", step: "1", placeholder: "each run’s own" },
    ],
    go: `Start ${plural(whole.length)}`,
  });
  if (!values) return;
  const changes = Object.fromEntries(Object.entries(values).filter(([, text]) => text !== "").map(([name, text]) => [name, Number(text)]));
  const start = (run) => ask("/runs", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(requestAgain(run, changes)) });
  const failed = await forEach(whole, start, count);
  if (failed.length === whole.length) throw failed[0].error;
  const rest = failed.length ? ` ${plural(failed.length)} could not be started: ${failed[0].error.message}` : "";
  offerUndo(`Started ${plural(whole.length - failed.length)} again.${rest}`, null);
}
