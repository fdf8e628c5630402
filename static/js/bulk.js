// What can be done with the selected runs: the bar under the table.

import { h, say } from "./dom.js";
import { grouped } from "./format.js";
import { hasEnded } from "./fold.js";
import { commonTags, edit, forEach, retagged, tagsFrom } from "./edits.js";
import { ask } from "./row-source.js";
import { offerUndo } from "./undo.js";

const MOST_COMPARED = 6;
const MOST_GROUPED = 100;
const MOST_EXPORTED = 500;

const plural = (n, one = "run") => `${grouped(n)} ${one}${n === 1 ? "" : "s"}`;

/** Why some of the buttons are off for so many runs; empty where none is. Pure. */
export function whyNot(count) {
  if (count > MOST_GROUPED) return `Group takes at most ${MOST_GROUPED}, Compare and Differences at most ${MOST_COMPARED}`;
  if (count > MOST_COMPARED) return `Compare and Differences take at most ${MOST_COMPARED}`;
  return count === 1 ? "Differences and Group take several" : "";
}

export class BulkBar {
  #element;
  #on;
  #busy = false;

  /** `on`: ids() (the selection), runs() (a promise of their summaries), known(id), seen(run), matching(), clear(), tagging(). */
  constructor(element, on) {
    this.#element = element;
    this.#on = on;
  }

  /** Brings the bar in line with the selection. */
  update() {
    const ids = this.#on.ids();
    this.#element.hidden = ids.length === 0 && !this.#busy;
    if (ids.length === 0 || this.#busy) return;
    const known = ids.map((id) => this.#on.known(id)).filter(Boolean);
    const all = known.length === ids.length;
    const active = known.filter((run) => !hasEnded(run.status)).length;
    const link = (label, href, more = {}) => (href ? h("a", { class: "button", href, ...more }, label) : h("button", { type: "button", disabled: true, ...more }, label));
    const button = (label, work, more = {}) => h("button", { type: "button", onclick: () => this.#do(work), ...more }, label);
    const focused = document.activeElement?.closest(".bulk") ? document.activeElement.textContent : null;
    const takes = (least, most, page) => (ids.length >= least && ids.length <= most ? `${page}?runs=${ids.join()}` : null);
    const parts = [
      h("span", { class: "selected" }, h("b", {}, `${grouped(ids.length)} selected`), h("small", {}, whyNot(ids.length))),
      link("Compare", takes(1, MOST_COMPARED, "/compare")),
      link("Differences", takes(2, MOST_COMPARED, "/diff"), { title: "settings, metrics and confusions side by side" }),
      link("Group", takes(2, MOST_GROUPED, "/groups"), { title: "means and curves by what they differ in" }),
      link("Repeat", ids.length === 1 ? `/?from=${ids[0]}#new` : null, { title: ids.length > 1 ? "one run at a time" : "opens the form filled from this run" }),
      link("CSV", ids.length <= MOST_EXPORTED ? `/runs?format=csv&ids=${ids.join()}` : null, { download: "", title: ids.length > MOST_EXPORTED ? `at most ${MOST_EXPORTED} by hand; CSV above the table takes all that match` : null }),
      button("Tags…", () => this.tag()),
      all && known.every((run) => run.archived) ? button("Unarchive", () => this.#archive(false)) : button("Archive", () => this.#archive(true)),
      active > 0 || !all ? button(all ? `Stop ${plural(active)}` : "Stop", () => this.#stop(), { class: "danger" }) : null,
      all && active === ids.length ? null : button("Delete", () => this.#delete(), { class: "danger", title: "to the trash, from where they can be restored" }),
      h("span", { class: "spring" }),
      h("button", { type: "button", class: "quiet", onclick: () => this.#on.matching() }, "Select all that match"),
      h("button", { type: "button", class: "quiet", onclick: () => this.#on.clear() }, "None"),
    ];
    this.#element.replaceChildren(...parts.filter(Boolean));
    if (focused) [...this.#element.children].find((child) => child.textContent === focused)?.focus();
  }

  async #do(work) {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await work();
    } catch (error) {
      offerUndo(`That did not work: ${error.message}.`, null);
    }
    this.#busy = false;
    this.update();
  }

  #count(what, all) {
    return (done) => {
      const line = this.#element.querySelector("b");
      if (all > 20) say(line, `${what} ${grouped(done)} of ${grouped(all)}`);
    };
  }

  async #archive(archived) {
    const runs = (await this.#on.runs()).filter((run) => run.archived !== archived);
    const said = `${archived ? "Archived" : "Unarchived"} ${plural(runs.length)}.`;
    await edit(runs.map((run) => ({ run, changes: { archived } })), said, this.#on.seen, this.#count(archived ? "Archiving" : "Unarchiving", runs.length));
  }

  async #stop() {
    const runs = (await this.#on.runs()).filter((run) => !hasEnded(run.status));
    const failed = await forEach(runs, async (run) => this.#on.seen(await ask(`/runs/${run.id}/stop`, { method: "POST" })), this.#count("Stopping", runs.length));
    offerUndo(failed.length ? `${plural(failed.length)} could not be stopped: ${failed[0].error.message}` : `Stopping ${plural(runs.length)}.`, null);
  }

  async #delete() {
    const runs = (await this.#on.runs()).filter((run) => hasEnded(run.status));
    const failed = await forEach(runs, ({ id }) => ask(`/runs/${id}`, { method: "DELETE" }), this.#count("Deleting", runs.length));
    const gone = runs.filter((run) => !failed.some(({ item }) => item === run));
    if (!gone.length && failed.length) throw failed[0].error;
    const rest = failed.length ? ` ${failed.length} could not be deleted: ${failed[0].error.message}` : "";
    offerUndo(`Deleted ${plural(gone.length)}.${rest}`, () => forEach(gone, ({ id }) => ask(`/runs/${id}/restore`, { method: "POST" })));
  }

  /** Asks for the tags that all selected runs have in common. */
  async tag() {
    const runs = await this.#on.runs();
    const before = commonTags(runs);
    const field = h("input", { type: "text", "aria-label": "Tags, separated by commas", autocomplete: "off", placeholder: "paper, baseline" });
    field.value = before.join(", ");
    const form = h(
      "form",
      { method: "dialog" },
      h("h2", {}, `Tags of ${plural(runs.length)}`),
      h("p", { class: "muted" }, runs.length > 1 ? "Those that all of them have, separated by commas. Tags that only some have stay." : "Separated by commas."),
      field,
      h("menu", {}, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), h("button", { class: "primary", value: "save" }, "Save")),
    );
    const dialog = h("dialog", { class: "small-dialog", "aria-label": "Tags" }, form);
    document.body.append(dialog);
    dialog.showModal();
    await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
    dialog.remove();
    if (dialog.returnValue !== "save") return;
    const after = tagsFrom(field.value);
    const edits = runs.map((run) => ({ run, changes: { tags: retagged(run.tags, before, after) } }));
    const changed = edits.filter(({ run, changes }) => changes.tags.join() !== run.tags.join());
    if (changed.length) await edit(changed, `Tagged ${plural(changed.length)}.`, this.#on.seen, this.#count("Tagging", changed.length));
  }
}
