// Editing a text where it stands: a field over it, saved with Enter or by leaving it, given up with Escape.

import { h } from "./dom.js";

/**
 * Opens a field in `place`. `save(text)` may return a promise; where it throws, the field stays with the reason until the text
 * is saved or given up. Notes are `multiline`: Enter makes a line, Ctrl+Enter saves. Returns {finish} to save and close from
 * outside, {failed, focus} for a text that waits, and {leave} for when its place is about to go.
 */
export function editInPlace(place, { text, label, most, multiline = false, hint = "", save, closed = () => {} }) {
  const field = multiline
    ? h("textarea", { rows: "4", maxlength: String(most), "aria-label": label, placeholder: hint })
    : h("input", { type: "text", maxlength: String(most), "aria-label": label, placeholder: hint, autocomplete: "off" });
  const message = h("small", { class: "field-error", role: "alert" });
  const box = h("span", { class: "in-place" }, field, message);
  field.value = text;
  let done = false;
  let failed = false;
  const hold = (event) => event.preventDefault();
  const end = () => {
    done = true;
    removeEventListener("beforeunload", hold);
    box.remove();
    closed();
  };
  const stay = () => {
    box.classList.add("adrift");
    document.body.append(box);
    field.focus();
  };
  const finish = async () => {
    if (done) return;
    if (field.value === text && !failed) return end();
    done = true; // Leaving the field while it is saved must not save it again.
    try {
      await save(field.value);
      end();
    } catch (error) {
      done = false;
      failed = true;
      addEventListener("beforeunload", hold);
      message.textContent = `Not saved: ${error.message}. ${multiline ? "Ctrl+Enter" : "Enter"} tries again, Escape gives it up.`;
      field.setAttribute("aria-invalid", "true");
      if (box.isConnected) field.focus();
      else stay();
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
  field.addEventListener("blur", () => failed || finish());
  place.append(box);
  field.focus();
  field.select();
  // Where its place is gone, a text that waits stays at the window's lower edge.
  const leave = () => (failed && !done ? stay() : finish());
  return { finish, leave, focus: () => field.focus(), get failed() { return failed; } };
}
