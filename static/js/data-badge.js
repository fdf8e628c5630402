// Which images a page shows: generated digits are never passed off as MNIST.

import { role, say } from "./dom.js";

/** Says it in the page's head, as soon as it is known. */
export function nameData(data) {
  const badge = role(document, "data-badge");
  if (!data || !badge) return;
  badge.hidden = false;
  say(badge, data.name);
  badge.classList.toggle("generated", data.set === "generated");
  if (data.set === "generated") badge.title = "Digits that the program draws itself, not MNIST";
}
