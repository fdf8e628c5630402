// Editing a text where it stands: a field over it, saved with Enter or by leaving it, given up with Escape.

import { h } from "./dom.js";

/**
 * Opens a field in `place`. `save(text)` may return a promise; where it throws, the field stays with the reason. Notes are
 * `multiline`: Enter makes a line, Ctrl+Enter saves. Returns {finish} to save and close from outside.
 */
export function editInPlace(place, { text, label, most, multiline = false, hint = "", save, closed = () => {} }) {
  const field = multiline
    ? h("textarea", { rows: "4", maxlength: String(most), "aria-label": label, placeholder: hint })
    : h("input", { type: "text", maxlength: String(most), "aria-label": label, placeholder: hint, autocomplete: "off" });
  const message = h("small", { class: "field-error", role: "alert" });
  const box = h("span", { class: "in-place" }, field, message);
  field.value = text;
  let done = false;
  const end = () => {
    done = true;
    box.remove();
    closed();
  };
  const finish = async () => {
    if (done) return;
    if (field.value === text) return end();
    done = true; // Leaving the field while it is saved must not save it again.
    try {
      await save(field.value);
      end();
    } catch (error) {
      done = false;
      message.textContent = error.message;
      field.setAttribute("aria-invalid", "true");
      field.focus();
    }
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") end();
    else if (event.key === "Enter" && (!multiline || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      finish();
    }
  });
  for (const type of ["click", "dblclick", "pointerdown"]) box.addEventListener(type, (event) => event.stopPropagation());
  field.addEventListener("blur", () => (message.textContent ? end() : finish()));
  place.append(box);
  field.focus();
  field.select();
  return { finish };
}
