// The line at the bottom that says what was done, and takes it back for ten seconds.

import { h } from "./dom.js";

const SECONDS = 10;
let close = () => {};

/** Says what was done. `undo`: a function that takes it back, or null where there is nothing to take back. */
export function offerUndo(said, undo) {
  close();
  const button = undo && h("button", { type: "button", onclick: () => take() }, "Undo");
  const line = h("div", { class: "undo", role: "status", "data-role": "undo" }, h("span", {}, said), button);
  document.body.append(line);
  // Above the bar of the selected runs: what is done next may be there.
  const bar = document.querySelector('[data-role="bulk"]:not([hidden])');
  if (bar) line.style.bottom = `${innerHeight - bar.getBoundingClientRect().top + 8}px`;
  const timer = setTimeout(() => close(), SECONDS * 1000);
  const onKey = (event) => {
    const typing = event.target.closest?.("input, textarea, [contenteditable]");
    if (undo && !typing && event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey) {
      event.preventDefault();
      take();
    }
  };
  addEventListener("keydown", onKey);
  close = () => {
    clearTimeout(timer);
    removeEventListener("keydown", onKey);
    line.remove();
    close = () => {};
  };
  const take = async () => {
    close();
    const failed = (await undo()) ?? [];
    offerUndo(failed.length ? `Not all could be undone: ${failed[0].error.message}` : "Undone.", null);
  };
}
