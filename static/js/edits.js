// Edits of runs: sent to the server, and undone for a while by the edit that is their inverse.

import { ask } from "./row-source.js";
import { offerUndo } from "./undo.js";

const AT_ONCE = 4;

/** What people may write on a run: how it stands in a field, and what a field's text changes. */
export const EDITABLE = {
  name: { label: "Name", most: 120, text: (run) => run.name, changes: (text) => ({ name: text.trim() }) },
  tags: { label: "Tags, separated by commas", most: 800, text: (run) => run.tags.join(", "), changes: (text) => ({ tags: tagsFrom(text) }), hint: "paper, baseline" },
  notes: { label: "Notes", most: 4000, multiline: true, text: (run) => run.notes, changes: (text) => ({ notes: text }), hint: "Ctrl+Enter saves" },
};

/** The edit that takes `changes` of `run` back. Pure. */
export function inverseOf(run, changes) {
  return Object.fromEntries(Object.keys(changes).map((name) => [name, run[name]]));
}

/** Tags from a text with commas, each once whatever its case. Pure. */
export function tagsFrom(text) {
  const tags = [];
  for (const tag of text.split(",").map((part) => part.trim()).filter(Boolean))
    if (!tags.some((known) => known.toLowerCase() === tag.toLowerCase())) tags.push(tag);
  return tags;
}

/** The tags that all of `runs` have. Pure. */
export function commonTags(runs) {
  return runs.length ? runs[0].tags.filter((tag) => runs.every((run) => run.tags.includes(tag))) : [];
}

/** A run's tags after those common to a selection were changed from `before` to `after`. Pure. */
export function retagged(tags, before, after) {
  const kept = tags.filter((tag) => after.includes(tag) || !before.includes(tag));
  return tagsFrom([...kept, ...after].join());
}

/** Does `work` to each of `items`, a few at a time; the items whose work failed, with the reasons. `tell(done)` counts. */
export async function forEach(items, work, tell = () => {}) {
  const failed = [];
  const queue = items.slice();
  let done = 0;
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failed.push({ item, error });
      }
      tell(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failed;
}

const send = ({ run, changes }) =>
  ask(`/runs/${run.id}`, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify(changes) });

/**
 * Makes edits [{run, changes}…] and offers to undo them. `said`: what happened, for people. `seen(run)` gets each new
 * summary. Throws where an edit alone failed.
 */
export async function edit(edits, said, seen = () => {}, tell) {
  const undo = edits.map(({ run, changes }) => ({ run, changes: inverseOf(run, changes) }));
  const make = async (one) => seen(await send(one));
  const failed = await forEach(edits, make, tell);
  if (failed.length === edits.length && failed.length) throw failed[0].error;
  const rest = failed.length ? ` ${failed.length} could not be changed: ${failed[0].error.message}` : "";
  offerUndo(said + rest, () => forEach(undo, make));
}
