// Ticked runs, and the buttons under them that take some.

import { role, say } from "./dom.js";

const MOST = 6; // as many as stand side by side

/** Keeps the buttons of a form in line with how many runs are ticked (`data-least`: the fewest that one takes), and says so. */
export function keepPicks(form) {
  const note = role(form, "picked");
  const usual = note.textContent;
  const picked = () => [...form.querySelectorAll('input[name="runs"]:checked')].map((box) => box.value);
  const update = () => {
    const { length } = picked();
    for (const button of form.querySelectorAll("[data-least]")) button.disabled = length < Number(button.dataset.least) || length > MOST;
    say(note, length > MOST ? `${length} ticked: at most ${MOST} stand side by side` : length > 1 ? `${length} ticked` : usual);
  };
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const page = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action");
    location.assign(`${page}?runs=${picked().join(",")}`);
  });
  update();
}
