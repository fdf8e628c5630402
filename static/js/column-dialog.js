// The dialog that chooses columns: which, in which order, how wide.

import { h } from "./dom.js";
import { LEAST_WIDTH, MOST_WIDTH, moved, widthOf } from "./columns.js";

/** Opens it. `state`: {columns: [names], widths}; `change({columns, widths})` comes at each change; `usual()` forgets all choices. */
export function openColumnDialog(fields, state, change, usual) {
  const byName = new Map(fields.map((field) => [field.name, field]));
  let { columns, widths } = state;
  const chosen = h("ol", { class: "chosen" });
  const others = h("div", { class: "others" });
  const search = h("input", { type: "text", placeholder: "Find a field or metric", "aria-label": "Find a field or metric", autocomplete: "off" });
  const dialog = h(
    "dialog",
    { class: "columns-dialog", "aria-label": "Columns" },
    h("header", {}, h("h2", {}, "Columns"), h("button", { type: "button", class: "quiet", onclick: () => reset() }, "Usual ones"), h("button", { type: "button", onclick: () => dialog.close() }, "Done")),
    chosen,
    search,
    others,
  );
  const set = (next) => {
    ({ columns, widths } = { columns, widths, ...next });
    change({ columns, widths });
    draw();
  };
  const reset = () => {
    ({ columns, widths } = usual());
    draw();
  };
  const draw = () => {
    const focused = document.activeElement?.dataset?.key;
    chosen.replaceChildren(
      ...columns.map((name, i) => {
        const field = byName.get(name);
        const step = (by, sign, where) =>
          h("button", { type: "button", class: "quiet", "data-key": `${name} ${where}`, "aria-label": `${field.label}: ${where}`, disabled: i + by < 0 || i + by >= columns.length, onclick: () => set({ columns: moved(columns, i, i + by) }) }, sign);
        const width = h("input", { type: "number", min: LEAST_WIDTH, max: MOST_WIDTH, step: "10", "data-key": `${name} width`, "aria-label": `${field.label}: width in pixels` });
        width.value = widthOf(field, widths);
        width.addEventListener("change", () => set({ widths: { ...widths, [name]: Number(width.value) || widthOf(field, {}) } }));
        const without = h("button", { type: "button", class: "quiet", "data-key": `${name} remove`, "aria-label": `Remove ${field.label}`, disabled: columns.length === 1, onclick: () => set({ columns: columns.filter((other) => other !== name) }) }, "✕");
        return h("li", {}, h("span", { title: field.help }, field.label), step(-1, "↑", "earlier"), step(1, "↓", "later"), width, without);
      }),
    );
    const asked = search.value.trim().toLowerCase();
    const found = fields.filter((field) => !columns.includes(field.name) && `${field.label} ${field.name} ${field.help}`.toLowerCase().includes(asked));
    others.replaceChildren(...found.map((field) => h("button", { type: "button", title: field.help, onclick: () => set({ columns: [...columns, field.name] }) }, `+ ${field.label}`)));
    if (focused) dialog.querySelector(`[data-key="${focused}"]`)?.focus();
  };
  search.addEventListener("input", draw);
  dialog.addEventListener("close", () => dialog.remove());
  // A click beside it closes it, as people expect.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  draw();
  document.body.append(dialog);
  dialog.showModal();
}
