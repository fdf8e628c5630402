// What people wrote on a run, on its page: name, tags and notes, each edited where it stands.

import { h, role, say } from "./dom.js";
import { EDITABLE, edit } from "./edits.js";
import { editInPlace } from "./in-place.js";

/** Keeps them up to date and editable. `live` brings what others change. */
export function keepAnnotations(page, run, live) {
  const show = () => {
    say(role(page, "name"), run.name);
    say(role(page, "notes"), run.notes);
    role(page, "tags").replaceChildren(...run.tags.map((tag) => h("span", { class: "tag" }, tag)));
    say(role(page, "edit-tags"), run.tags.length ? "Edit tags" : "Add tags");
    say(role(page, "edit-notes"), run.notes ? "Edit notes" : "Add notes");
  };
  const take = ({ name, tags, notes, archived, seq }) => {
    if (seq < run.seq) return; // The stream was faster, and told of more.
    Object.assign(run, { name, tags, notes, archived });
    document.title = `${name} – Centerscope`;
    show();
  };
  for (const [name, button] of [["name", "rename"], ["tags", "edit-tags"], ["notes", "edit-notes"]]) {
    const opener = role(page, button);
    const { text, changes, ...more } = EDITABLE[name];
    opener.addEventListener("click", () => {
      opener.hidden = true;
      editInPlace(opener.parentElement, {
        ...more,
        text: text(run),
        save: (value) => edit([{ run, changes: changes(value) }], `Changed the ${name}.`, take),
        closed: () => {
          opener.hidden = false;
          opener.focus();
        },
      });
    });
  }
  live.subscribe((changed, what) => (what === "edited" || what === "loaded") && (!changed || changed === run) && show());
  show();
}
