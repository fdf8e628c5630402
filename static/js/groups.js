// The page of a sweep: curves by group, settings against metrics, and the tables, kept up to date while runs go on.

import { h, press, role, say } from "./dom.js";
import { hasEnded } from "./fold.js";
import { grouped, metricValue } from "./format.js";
import { glyphOf } from "./marks.js";
import { follow, streamUrl } from "./stream.js";
import { GroupCurves } from "./group-curves.js";
import { uPlotLoaded } from "./charts.js";
import { onThemeChange, readPalette } from "./palette.js";

const STANDING = [["FINISHED", "finished"], ["RUNNING", "running"], ["SCHEDULED", "waiting"], ["FAILED", "failed"], ["KILLED", "stopped"], ["INTERRUPTED", "interrupted"]];
const MOST_FOLLOWED = 16; // as many as one stream takes
const REFRESH_MS = 3000;

/** Which group each run belongs to: Map of id → index. Pure. */
export function groupOf(groups) {
  return new Map(groups.flatMap((group, i) => group.runs.map((id) => [id, i])));
}

/** `12 finished, 1 running, 2 waiting`, as server/src/pages/sweep.rs says it, of how many stand where. Pure. */
export function standing(statuses) {
  return STANDING.filter(([status]) => statuses[status]).map(([status, word]) => `${statuses[status]} ${word}`).join(", ");
}

/** The cells of a group's row after its name, as the server's page has them; `columns`: names of metrics, `metric` the chosen one. Pure. */
export function groupCells(group, columns, metric) {
  const spread = (name, sample) => {
    if (!sample) return "–";
    const mean = metricValue(name, sample.mean);
    return sample.sd === null ? mean : `${mean} ± ${metricValue(name, sample.sd)}`;
  };
  const done = Math.max(0, ...Object.values(group.finished).map(({ last }) => last.n));
  const cells = columns.map((name) => spread(name, group.finished[name]?.last));
  return [`${grouped(done)} of ${grouped(group.total)}`, ...cells, spread(metric, group.finished[metric]?.best)];
}

/** What only the server's page lays out: a row for each run, a column and a box for each field in which they differ. Pure. */
export function layout({ runs, varied }) {
  return [...runs.map((run) => run.id), ...varied].join();
}

/** Keeps the page up to date; `showConnection(status, seconds)` says how the stream stands. */
export async function keepGroups(root, showConnection) {
  const choices = role(root, "choices");
  const shapes = role(root, "shapes");
  const curves = new GroupCurves(role(root, "curves"), role(root, "readout"));
  const link = new Link(role(root, "members"));
  let shape = new URLSearchParams(location.search).get("shape") ?? "band";
  const kept = h("input", { type: "hidden", name: "shape", value: shape });
  choices.append(kept);
  choices.addEventListener("change", () => choices.submit());
  await uPlotLoaded();
  const labels = new Map([...root.querySelectorAll("[name=metric] option")].map((option) => [option.value, option.text]));
  let data = await load(root);
  let plots = null;

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
  if (active().length === 0 && role(root, "stop")) showTables(root, data);
  let due = 0;
  let missed = false;
  const refresh = async () => {
    due = 0;
    missed = document.hidden;
    if (missed) return; // nobody looks
    const followed = active().map((run) => run.id).join();
    const laidOut = layout(data);
    data = await load(root).catch(() => data);
    if (layout(data) !== laidOut) {
      role(root, "members").closest("form").reset(); // the browser gives ticks back by their place, not by their run
      return void location.reload();
    }
    showTables(root, data);
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
  document.addEventListener("visibilitychange", () => missed && refresh());
}

async function load(root) {
  const query = location.search.replace(/^\?/, "");
  const base = root.dataset.groups.split("?")[0];
  const response = await fetch(`${base}?${query}`, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`the runs could not be loaded: the server answered ${response.status}`);
  return response.json();
}

/** Tells the tables what is new, cell by cell: what is ticked or focused stays so. */
function showTables(root, { groups, runs, metric, statuses }) {
  say(role(root, "standing"), standing(statuses));
  if (Object.keys(statuses).every(hasEnded)) role(root, "stop")?.remove();
  const columns = (table) => [...table.querySelectorAll("th[data-metric]")].map((head) => head.dataset.metric);
  const table = role(root, "groups");
  const body = table.tBodies[0];
  // A group more: runs that began saw other images.
  while (body.rows.length > groups.length) body.deleteRow(-1);
  groups.forEach((group, i) => {
    const cells = groupCells(group, columns(table), metric);
    const row = body.rows[i] ?? body.appendChild(h("tr", {}, h("th", { scope: "row" }), cells.map(() => h("td"))));
    if (row.cells[0].textContent !== group.label) row.cells[0].replaceChildren(h("i", { class: glyphOf(i), "aria-hidden": "true" }), group.query ? h("a", { href: `/runs?${new URLSearchParams({ query: group.query })}` }, group.label) : group.label);
    cells.forEach((text, j) => say(row.cells[j + 1], text));
  });
  const members = role(root, "members");
  for (const row of members.tBodies[0].rows) {
    const run = runs.find((run) => run.id === row.dataset.run);
    if (!run) continue;
    const status = role(row, "status");
    status.className = `status status-${run.status.toLowerCase()}`;
    say(status, run.status);
    say(role(row, "epoch"), `${run.epoch} / ${run.epochs}`);
    const names = columns(members);
    names.forEach((name, i) => say(row.cells[row.cells.length - names.length + i], metricValue(name, run.last[name])));
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
