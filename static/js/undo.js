// The lines at the bottom that say what was done, and take it back, each for its own ten seconds.

import { h } from "./dom.js";

const LASTS_MS = 10_000;

/** What can be taken back, the newest last. Pure but for `later`, which is setTimeout. */
export class Undoable {
  #kept = [];

  constructor(later = (work, ms) => setTimeout(work, ms)) {
    this.later = later;
  }

  /** Keeps `undo` for ten seconds; `gone()` hears that it was taken back, or is past. Returns what takes it back, once. */
  keep(undo, gone) {
    const one = { gone, take: () => this.#drop(one) && undo() };
    this.#kept.push(one);
    this.later(() => this.#drop(one), LASTS_MS);
    return one.take;
  }

  /** What takes the newest back that was not yet; undefined where nothing is left. */
  get newest() {
    return this.#kept.at(-1)?.take;
  }

  #drop(one) {
    const at = this.#kept.indexOf(one);
    if (at >= 0) this.#kept.splice(at, 1)[0].gone();
    return at >= 0;
  }
}

const done = new Undoable();
let box = null;
let plain = null; // a line that has nothing to undo: it gives way to the next

/** Says what was done. `undo`: a function that takes it back, or null where there is nothing to take back. */
export function offerUndo(said, undo) {
  if (!box) {
    box = h("div", { class: "undos", role: "status" });
    addEventListener("keydown", onKey);
  }
  plain?.remove();
  const line = h("div", { class: "undo", "data-role": "undo" }, h("span", {}, said));
  const remove = () => {
    line.remove();
    if (!box.firstChild) box.remove();
  };
  if (undo) {
    const take = done.keep(async () => {
      const failed = (await undo()) ?? [];
      offerUndo(failed.length ? `Not all could be undone: ${failed[0].error.message}` : "Undone.", null);
    }, remove);
    line.append(h("button", { type: "button", onclick: take }, "Undo"));
  } else {
    plain = line;
    setTimeout(remove, LASTS_MS);
  }
  document.body.append(box);
  box.append(line);
  // Above the bar of the selected runs: what is done next may be there.
  const bar = document.querySelector('[data-role="bulk"]:not([hidden])');
  box.style.bottom = bar ? `${innerHeight - bar.getBoundingClientRect().top + 8}px` : "";
}

function onKey(event) {
  const typing = event.target.closest?.("input, textarea, [contenteditable]");
  if (typing || event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || !done.newest) return;
  event.preventDefault();
  done.newest();
}
