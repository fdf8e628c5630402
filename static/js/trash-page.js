// The page of deleted runs: several are restored at once. Without scripts each row has its button.

import { h, say } from "./dom.js";
import { forEach } from "./edits.js";
import { ask } from "./row-source.js";
import { offerUndo } from "./undo.js";

const plural = (n) => `${n} ${n === 1 ? "run" : "runs"}`;

export function keepTrash(table) {
  const section = table.closest("section");
  const count = document.querySelector("[data-total]");
  let total = Number(count.dataset.total);
  const rows = () => [...table.tBodies[0].rows];
  const boxOf = (row) => row.querySelector(".pick input");
  const ticked = () => rows().filter((row) => boxOf(row).checked);
  const all = h("input", { type: "checkbox", "aria-label": "Select all on this page", onchange: () => (rows().forEach((row) => (boxOf(row).checked = all.checked)), update()) });
  const restore = h("button", { type: "button", "data-role": "restore-ticked", onclick: () => work(ticked()) });

  const update = () => {
    const count = ticked().length;
    all.checked = count > 0 && count === rows().length;
    all.indeterminate = count > 0 && !all.checked;
    restore.disabled = count === 0;
    say(restore, count ? `Restore ${plural(count)}` : "Restore the ticked runs");
  };

  const work = async (chosen) => {
    restore.disabled = true;
    const failed = await forEach(chosen, (row) => ask(`/runs/${row.dataset.run}/restore`, { method: "POST" }), (done) => chosen.length > 20 && say(restore, `Restoring ${done} of ${chosen.length}`));
    const back = chosen.filter((row) => !failed.some(({ item }) => item === row));
    const ids = back.map((row) => row.dataset.run);
    for (const row of back) row.remove();
    total -= back.length;
    say(count, plural(total));
    if (!rows().length) section.replaceChildren(h("p", { class: "muted" }, total ? "The others are on the next page." : "Nothing is in the trash."), total ? h("a", { class: "button", href: "/trash" }, "Show them") : "");
    update();
    const rest = failed.length ? ` ${plural(failed.length)} could not be restored: ${failed[0].error.message}` : "";
    const undo = async () => {
      const still = await forEach(ids, (id) => ask(`/runs/${id}`, { method: "DELETE" }));
      location.reload();
      return still;
    };
    offerUndo(`${back.length ? `Restored ${plural(back.length)}.` : ""}${rest}`, back.length ? undo : null);
  };

  table.tHead.rows[0].prepend(h("th", { scope: "col" }, h("label", { class: "pick" }, all)));
  for (const row of rows()) {
    const box = h("input", { type: "checkbox", "aria-label": `Select ${row.cells[0].textContent}`, onchange: update });
    row.prepend(h("td", {}, h("label", { class: "pick" }, box)));
  }
  // One by one, too, the page stays: what is next is at hand.
  table.addEventListener("submit", (event) => {
    event.preventDefault();
    work([event.target.closest("tr")]);
  });
  table.parentElement.after(h("p", {}, restore));
  update();
}
