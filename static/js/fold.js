// What a run's events add up to: the same fold that the server does, on top of the state that it served, but for what only
// lists need (`metrics`, `curves`, `reached`). tests/fixtures/fold.jsonl holds both to it. Pure.

const ENDED = new Set(["FINISHED", "FAILED", "KILLED", "INTERRUPTED"]);
const MOST_PROGRESS = 4000;
const TRAIL = 40; // epochs; older ones have faded out
/** What the beginning of training tells under the names that the state has. */
const STARTED = ["train_images", "steps_per_epoch", "parameters", "precision", "device_memory", "version", "commit", "host", "threads"];

/** Whether a run of this status has ended. */
export function hasEnded(status) {
  return ENDED.has(status);
}

/**
 * Folds one event into a run's state, in place.
 * Returns what changed: "old" (known already), "gap" (events are missing: load the state again), or the event's type.
 */
export function applyEvent(run, event) {
  if (event.seq <= run.seq) return "old";
  if (event.seq > run.seq + 1) return "gap";
  run.seq = event.seq;
  switch (event.type) {
    case "preparing":
      run.status = "RUNNING";
      run.message = event.message;
      break;
    case "started":
      run.status = "RUNNING";
      run.message = null;
      run.data = event.data;
      run.data_name = event.data.name;
      run.data_digest = event.data.digest;
      run.device = event.device;
      // Logs of older versions don't say all of it.
      for (const name of STARTED) run[name] = event[name] ?? null;
      run.started_ms ??= event.time_ms;
      run.steps = event.steps_per_epoch;
      break;
    case "progress":
      run.progress.push(told(event));
      if (run.progress.length > MOST_PROGRESS) run.progress = thinned(run.progress);
      run.step = event.step;
      run.train_loss = event.loss.total;
      run.images_per_s = event.images_per_s;
      break;
    case "epoch":
      // Its time stays with the report: latency.js measures from there.
      run.history.push(told(event));
      for (const name of event.artifacts ?? []) run.files[name] = { epoch: event.epoch, sha256: event.sha256?.[name] ?? null };
      takeReport(run, event);
      break;
    case "resumed":
      goBack(run, event.epoch);
      run.damaged = event.damaged ?? [];
      break;
    case "edited":
      for (const name of ["name", "tags", "notes", "archived"]) if (name in event) run[name] = event[name];
      break;
    case "deleted":
      run.deleted_ms = event.time_ms;
      break;
    case "restored":
      delete run.deleted_ms;
      break;
    case "finished":
    case "failed":
    case "killed":
    case "interrupted":
      run.status = event.type.toUpperCase();
      run.reason = event.reason ?? null;
      run.ended_ms = event.time_ms;
      break;
  }
  return event.type;
}

/** The images that the runs of a page have in common: what most of them saw, of two kinds as often the one seen first; null as long as no run knows. */
export function commonData(runs) {
  const known = runs.filter((run) => run.data);
  const alike = (run) => known.filter(({ data }) => data.digest === run.data.digest).length;
  return known.sort((a, b) => alike(b) - alike(a) || a.started_ms - b.started_ms)[0]?.data ?? null;
}

/** An event without its place in the log. */
function told({ seq, type, run, ...rest }) {
  return rest;
}

/** What a run's head says after an epoch. */
function takeReport(run, { epoch, metrics }) {
  run.epoch = epoch;
  run.step = 0;
  run.test_accuracy = metrics.test_accuracy ?? null;
  run.train_loss = metrics.train_loss ?? run.train_loss;
  run.images_per_s = metrics.images_per_s ?? run.images_per_s;
  if (!(run.best_test_accuracy >= run.test_accuracy)) run.best_test_accuracy = run.test_accuracy;
}

/** Takes a run back to where it stood after `epoch`, to go on from there. */
function goBack(run, epoch) {
  run.status = "SCHEDULED";
  run.message = run.reason = run.ended_ms = run.test_accuracy = run.best_test_accuracy = run.train_loss = null;
  run.epoch = epoch;
  run.step = 0;
  run.reached = {};
  run.history = run.history.filter((report) => report.epoch <= epoch);
  run.progress = run.progress.filter((progress) => progress.epoch <= epoch);
  run.files = Object.fromEntries(Object.entries(run.files).filter(([, file]) => file.epoch <= epoch));
  for (const report of run.history) takeReport(run, report);
}

/** The epochs that a run can be forked from: those with a checkpoint, newest first. */
export function keptEpochs(run) {
  const files = Object.entries(run.files).filter(([name]) => name.startsWith("checkpoints/"));
  return [...new Set(files.map(([, file]) => file.epoch))].sort((a, b) => b - a);
}

/** Every second element of all but the newest quarter: old progress needs no detail. */
function thinned(list) {
  const keep = Math.floor(list.length * 0.75);
  return list.filter((_, i) => i >= keep || i % 2 === 0);
}

/** The report of `epoch`, or of the last epoch before it; null when there is none. */
export function reportAt(run, epoch) {
  for (let i = run.history.length - 1; i >= 0; i--) if (run.history[i].epoch <= epoch) return run.history[i];
  return null;
}

/** The planes of the epochs before one, oldest first, as far as a trail reaches: [{centers, means}…]. Pure. */
export function trailOf(history, epoch) {
  return history.filter((report) => report.epoch < epoch).slice(-TRAIL).map((report) => report.geometry);
}

/** The newest epoch that is done, 0 when none is. */
export function newestEpoch(run) {
  return run.history.length ? run.history[run.history.length - 1].epoch : 0;
}

/** Seconds that the rest of the current epoch's training takes at the current speed; null when unknown. */
export function epochSecondsLeft(run) {
  if (!run.images_per_s || !run.steps || !run.train_images) return null;
  return ((run.steps - run.step) / run.steps) * (run.train_images / run.images_per_s);
}

/** Seconds until the last epoch is done, from the mean epoch time so far, or, before there is any, from the speed; null when unknown. */
export function runSecondsLeft(run) {
  const times = run.history.map((r) => r.metrics.epoch_seconds).filter(Number.isFinite);
  if (!times.length && !(run.images_per_s && run.train_images)) return null;
  const mean = times.length ? times.reduce((a, b) => a + b, 0) / times.length : run.train_images / run.images_per_s;
  const underWay = run.steps ? run.step / run.steps : 0;
  return Math.max(0, run.epochs - run.epoch - underWay) * mean;
}
