// What can be done with the selected runs: the bar under the table.

import { h, say } from "./dom.js";
import { grouped } from "./format.js";
import { hasEnded } from "./fold.js";
import { askFor } from "./ask-dialog.js";
import { commonTags, edit, forEach, retagged, tagsFrom } from "./edits.js";
import { ask } from "./row-source.js";
import { offerUndo } from "./undo.js";

const MOST_COMPARED = 6;
const MOST_GROUPED = 100;
const MOST_EXPORTED = 500;
/** As many as can be started again by one press of a button. */
const MOST_REPEATED = 50;

const plural = (n, one = "run") => `${grouped(n)} ${one}${n === 1 ? "" : "s"}`;

/** Why some of the buttons are off for so many runs; empty where none is. Pure. */
export function whyNot(count) {
  if (count === 1) return "Differences and Group take several";
  const most = { Group: MOST_GROUPED, Repeat: MOST_REPEATED, "Compare and Differences": MOST_COMPARED };
  const off = Object.entries(most).filter(([, most]) => count > most);
  return off.length ? `At most: ${off.map(([what, most]) => `${what} ${most}`).join(", ")}` : "";
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
      ids.length === 1
        ? link("Repeat", `/?from=${ids[0]}#new`, { title: "opens the form filled from this run" })
        : button("Repeat…", () => this.#repeat(), { title: "starts them again", disabled: ids.length > MOST_REPEATED }),
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

  async #repeat() {
    const runs = await this.#on.runs();
    const { repeatRuns } = await import("./repeat.js");
    await repeatRuns(runs, this.#count("Starting", runs.length));
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
    const asked = await askFor({
      title: `Tags of ${plural(runs.length)}`,
      text: runs.length > 1 ? "Those that all of them have, separated by commas. Tags that only some have stay." : "Separated by commas.",
      fields: [{ name: "tags", "aria-label": "Tags, separated by commas", value: before.join(", "), placeholder: "paper, baseline" }],
      go: "Save",
    });
    if (!asked) return;
    const after = tagsFrom(asked.tags);
    const edits = runs.map((run) => ({ run, changes: { tags: retagged(run.tags, before, after) } }));
    const changed = edits.filter(({ run, changes }) => changes.tags.join() !== run.tags.join());
    if (changed.length) await edit(changed, `Tagged ${plural(changed.length)}.`, this.#on.seen, this.#count("Tagging", changed.length));
  }
}
