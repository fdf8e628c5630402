// A small dialog that asks for a few values.

import { h } from "./dom.js";

/**
 * Asks under a title and a sentence. `fields`: [{name, label, value, …attributes of the input}…]; `go`: what the button says. The
 * values by name, or null where it was given up.
 */
export async function askFor({ title, text, fields, go }) {
  const inputs = fields.map(({ label, value = "", ...attributes }) => {
    const input = h("input", { type: "text", autocomplete: "off", ...attributes });
    input.value = value;
    return h("label", { class: "inline-field" }, label, input);
  });
  const buttons = h("menu", {}, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), h("button", { class: "primary", value: "go" }, go));
  const form = h("form", { method: "dialog" }, h("h2", {}, title), h("p", { class: "muted" }, text), inputs, buttons);
  const dialog = h("dialog", { class: "small-dialog", "aria-label": title }, form);
  document.body.append(dialog);
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  dialog.remove();
  return dialog.returnValue === "go" ? Object.fromEntries(new FormData(form)) : null;
}
