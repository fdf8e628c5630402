// The page of a sweep: curves by group, settings against metrics, and the tables, kept up to date while runs go on.

import { h, press, role, say } from "./dom.js";
import { hasEnded } from "./fold.js";
import { follow, streamUrl } from "./stream.js";
import { GroupCurves } from "./group-curves.js";
import { uPlotLoaded } from "./charts.js";
import { onThemeChange, readPalette } from "./palette.js";

const MOST_FOLLOWED = 16; // as many as one stream takes
const REFRESH_MS = 1000;

/** Which group each run belongs to: Map of id → index. Pure. */
export function groupOf(groups) {
  return new Map(groups.flatMap((group, i) => group.runs.map((id) => [id, i])));
}

/** Keeps the page up to date; `showConnection(status, seconds)` says how the stream stands. */
export async function keepGroups(root, showConnection) {
  const choices = role(root, "choices");
  const shapes = role(root, "shapes");
  const curves = new GroupCurves(role(root, "curves"), role(root, "readout"));
  const link = new Link(role(root, "members"));
  let shape = new URLSearchParams(location.search).get("shape") ?? "band";
  await uPlotLoaded();
  const labels = new Map([...root.querySelectorAll("[name=metric] option")].map((option) => [option.value, option.text]));
  let data = await load(root);
  let plots = null;

  const kept = h("input", { type: "hidden", name: "shape", value: shape });
  choices.append(kept);
  choices.addEventListener("change", () => choices.submit());
  const show = () => {
    for (const button of shapes.children) press(button, button.value === shape);
    if (window.uPlot) curves.show(data, shape, readPalette());
    showFields();
  };
  // The plots of settings are fetched once there is something to plot.
  const showFields = async () => {
    if (data.varied.length === 0 || data.runs.every((run) => run.epoch === 0)) return;
    plots ??= Promise.all([import("./parallel.js"), import("./field-scatter.js")]).then(([{ Parallel }, { FieldScatter }]) => {
      const fields = role(root, "fields");
      fields.hidden = false;
      return [
        new Parallel(role(fields, "parallel"), link),
        new FieldScatter(role(fields, "scatter"), role(fields, "scatter-x"), role(fields, "scatter-y"), link),
      ];
    });
    for (const plot of await plots) plot.show({ ...data, labels }, groupOf(data.groups));
  };
  shapes.addEventListener("click", (event) => {
    shape = event.target.closest("button")?.value ?? shape;
    kept.value = shape;
    show();
  });
  onThemeChange(show);
  show();

  const active = () => data.runs.filter((run) => !hasEnded(run.status)).slice(0, MOST_FOLLOWED);
  // The runs may have ended between the server's page and the numbers: then nobody will tell of it any more.
  if (active().length === 0 && role(root, "stop")) await refreshTables(root);
  let due = 0;
  const refresh = async () => {
    due = 0;
    const followed = active().map((run) => run.id).join();
    data = await load(root).catch(() => data);
    await refreshTables(root);
    show();
    if (active().map((run) => run.id).join() !== followed) reopen();
  };
  const reopen = active().length === 0 ? null : follow(() => streamUrl(active()), {
    event: (event) => {
      const run = data.runs.find((run) => run.id === event.run);
      if (run) run.seq = event.seq;
      if (event.type !== "progress") due ||= setTimeout(refresh, REFRESH_MS);
    },
    status: showConnection,
  });
}

async function load(root) {
  const query = location.search.replace(/^\?/, "");
  const base = root.dataset.groups.split("?")[0];
  const response = await fetch(`${base}?${query}`, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`the runs could not be loaded: the server answered ${response.status}`);
  return response.json();
}

/** Takes the tables' new words from the server's page, cell by cell: what is ticked or focused stays so. */
async function refreshTables(root) {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  say(role(root, "standing"), role(fresh, "standing").textContent);
  if (!role(fresh, "stop")) role(root, "stop")?.remove();
  for (const name of ["groups", "members"]) {
    const [old, now] = [root, fresh].map((page) => [...role(page, name).tBodies[0].rows]);
    if (old.length !== now.length) continue;
    old.forEach((row, i) => {
      [...row.cells].forEach((cell, j) => {
        const next = now[i].cells[j];
        if (cell.textContent !== next.textContent) cell.replaceChildren(...next.childNodes);
      });
    });
  }
}

/** What is pointed at and what is picked, shared by the plots and the table. */
class Link {
  hovered = null;
  /** Ids, or null where all are. */
  picked = null;
  #listeners = [];

  constructor(table) {
    const row = (event) => event.target.closest?.("tr[data-run]")?.dataset.run ?? null;
    for (const type of ["pointerover", "focusin"]) table.addEventListener(type, (event) => this.hover(row(event)));
    for (const type of ["pointerleave", "focusout"]) table.addEventListener(type, () => this.hover(null));
    this.onChange(() => {
      for (const tr of table.querySelectorAll("tr[data-run]")) {
        tr.classList.toggle("hot", tr.dataset.run === this.hovered);
        tr.classList.toggle("dim", this.picked !== null && !this.picked.has(tr.dataset.run));
      }
    });
  }

  onChange(listener) {
    this.#listeners.push(listener);
  }

  hover(id) {
    if (id === this.hovered) return;
    this.hovered = id;
    for (const listener of this.#listeners) listener();
  }

  pick(ids) {
    this.picked = ids;
    for (const listener of this.#listeners) listener();
  }

  /** The classes of a run's mark. */
  classes(id) {
    return `${id === this.hovered ? " hot" : ""}${this.picked && !this.picked.has(id) ? " dim" : ""}`;
  }
}
