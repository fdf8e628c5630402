// Elements made short.

/** An element: h("button", {class: "x", onclick: f, "aria-label": "…"}, children…). Strings become text, null nothing. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element with data-role="…" inside another one. */
export function role(within, name) {
  return within.querySelector(`[data-role="${name}"]`);
}

/** Sets an element's text, only where it differs: no needless work for the screen reader. */
export function say(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Shows what one button of a pair or a toggle stands at. */
export function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

/** Gives the reader a file. */
export function download(content, name, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Whether a click on a link means to follow it here, not in another tab. */
export function plainClick(event) {
  return !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
}

/**
 * Keeps `details` filled with a table from when it is first opened. `read(what table-figures.js exports)` → {caption, head: [text…],
 * rows: [[text…]…], exact}, the first of each row its name. Returns a function to call when the figures have changed.
 */
export function keepDataTable(details, read) {
  let update = () => {};
  const fill = ([{ fillDataTable }, figures]) => (update = fillDataTable(details, () => read(figures)))();
  const fetched = () => Promise.all([import("./data-table.js"), import("./table-figures.js")]);
  details?.addEventListener("toggle", async () => fill(await fetched()), { once: true });
  return () => update();
}
