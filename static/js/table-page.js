// The page of all runs: the table with what filters, sorts, selects, edits and follows it.

import { h, role, say } from "./dom.js";
import { grouped } from "./format.js";
import { BulkBar } from "./bulk.js";
import { placeOf } from "./cells.js";
import { NARROW, NARROW_NAME, USUAL, readAddress, readStored, writeAddress } from "./columns.js";
import { openColumnDialog } from "./column-dialog.js";
import { EDITABLE, edit } from "./edits.js";
import { showFacets } from "./facets.js";
import { editInPlace } from "./in-place.js";
import { QueryBox } from "./query-box.js";
import { rememberQuery } from "./recent.js";
import { RowPicks } from "./row-picks.js";
import { Refused, RowSource, ask } from "./row-source.js";
import { RowView } from "./row-view.js";
import { TableHead } from "./table-head.js";
import { followSummaries } from "./summaries.js";

const STORE = "runs-table";
const REFRESH_MS = 600;
/** Rows go to other places at most so often, and not within so long after the reader's hand was on them. */
const SETTLE_MS = 1500;

export class TablePage {
  #root;
  #fields = [];
  #byName = new Map();
  #state = { query: "", sort: "", columns: null, widths: {} };
  #source = new RowSource({ query: "", sort: "", place: () => "" });
  /** The one that takes its place once its rows are there. */
  #next = null;
  #view;
  #head;
  #box;
  #picks = new RowPicks();
  #bulk;
  #facets = [];
  #refresh = 0;
  #settling = 0;
  #touched = -SETTLE_MS;
  #editor = null;
  /** Whether the query can't be understood: nothing is asked for with it. */
  #broken = false;
  #loads = 0;

  constructor(root, onConnection) {
    this.#root = root;
    this.#start(onConnection).catch((error) => {
      role(root, "grid").classList.add("still"); // It stays as it came, with all its rows.
      onConnection("broken", 0, error.message);
    });
  }

  async #start(onConnection) {
    const root = this.#root;
    this.#fields = (await ask("/runs/fields")).fields;
    this.#byName = new Map(this.#fields.map((field) => [field.name, field]));
    const stored = readStored(storedText(), this.#byName);
    const asked = readAddress(location.search, this.#byName);
    this.#state = { ...asked, columns: asked.columns ?? stored.columns, widths: stored.widths };
    this.#source = new RowSource(this.#asked);
    this.#box = new QueryBox(role(root, "filter"), {
      changed: (query) => this.set({ query: query.trim() }),
      used: (query) => query === this.#state.query && this.#remember(),
      fields: () => this.#fields,
      values: (name) => (this.#facets.find((facet) => facet.field === name)?.values ?? []).map(({ value }) => value),
    });
    this.#bulk = new BulkBar(role(root, "bulk"), {
      ids: () => [...this.#picks.ids],
      runs: () => this.#source.runs([...this.#picks.ids]),
      known: (id) => this.#source.byId(id),
      seen: (run) => this.#take([run], []),
      matching: () => this.#pickAll(),
      clear: () => this.#pickNone(),
    });
    if (await this.#makesSense()) await this.#source.load(0, 1).catch((error) => this.#complain(error));
    const scroller = role(root, "scroll");
    const table = role(root, "grid");
    this.#view = new RowView(scroller, table, {
      source: () => this.#source,
      picked: (id) => this.#picks.ids.has(id),
      moved: () => this.#fetch(),
      left: () => this.#editor?.leave(),
    });
    this.#head = new TableHead(table.tHead.rows[0], {
      layout: () => ({ state: this.#state, fields: this.#shown, widths: this.#widths }),
      set: (change) => this.set(change),
      widen: (widths) => this.#showColumns(widths),
      all: (every) => (every ? this.#pickAll() : this.#pickNone()),
    });
    this.#wire(table, scroller);
    this.#showHead();
    this.#drawn();
    if (this.#broken) this.#showFacets([]);
    else this.#loadFacets();
    followSummaries(this.#source.position ?? root.dataset.position, (runs, gone) => this.#take(runs, gone), () => this.#reload(false, null), onConnection);
    // A duration goes on while nothing else changes.
    setInterval(() => document.hidden || this.#view.draw(), 5000);
  }

  /** What the rows are asked for by. */
  get #asked() {
    const { query, sort } = this.#state;
    const field = this.#byName.get(sort.replace(/^-/, ""));
    return { query, sort, place: (run) => placeOf(field, query, run) };
  }

  get #widths() {
    return innerWidth <= 760 ? { name: NARROW_NAME, ...this.#state.widths } : this.#state.widths;
  }

  get #columns() {
    return this.#state.columns ?? (innerWidth <= 760 ? NARROW : USUAL);
  }

  /** The fields of the columns shown. */
  get #shown() {
    return this.#columns.map((name) => this.#byName.get(name));
  }

  /** Changes the query, the sort, the columns or the widths. */
  set(change) {
    const before = this.#state;
    this.#state = { ...before, ...change };
    const { query, sort, columns, widths } = this.#state;
    history.replaceState(null, "", writeAddress(this.#state));
    try {
      localStorage.setItem(STORE, JSON.stringify({ columns, widths }));
    } catch {
      // Storage is off: the choice holds for this page.
    }
    if ("columns" in change || "widths" in change) this.#showHead();
    if (query !== before.query || sort !== before.sort) this.#reload(true);
  }

  /** Loads the rows anew; what is shown stays until they are there. `fromTop`: the order is another one. `known`: rows that need not come again. */
  async #reload(fromTop, known = this.#source) {
    if (!this.#view) return; // The first rows are on their way; they are asked for with what is known then.
    const mine = ++this.#loads;
    if (!(await this.#makesSense()) || mine !== this.#loads) return;
    const next = (this.#next = new RowSource(this.#asked, known));
    const grid = role(this.#root, "grid");
    if (fromTop) grid.setAttribute("aria-busy", "true"); // Nobody waits for what comes by itself.
    const { index, beyond } = this.#view.top;
    const anchor = this.#source.at(index)?.id;
    const active = this.#source.at(this.#view.active)?.id;
    const [from, to] = fromTop ? [0, 1] : this.#view.window;
    try {
      await next.load(from, to);
    } catch (error) {
      if (mine !== this.#loads) return;
      grid.removeAttribute("aria-busy");
      return this.#complain(error);
    }
    if (mine !== this.#loads) return;
    this.#box.complain(null);
    grid.removeAttribute("aria-busy");
    this.#source.close();
    this.#source = next;
    this.#view.active = fromTop ? 0 : Math.max(0, active ? next.indexOf(active) : this.#view.active);
    if (fromTop) this.#view.scrollToTop({ index: 0, beyond: 0 });
    // The row at the top stays where it is, though others came before it.
    else if (index > 0 && next.indexOf(anchor) >= 0) this.#view.scrollToTop({ index: next.indexOf(anchor), beyond });
    this.#drawn();
    this.#fetch();
    this.#loadFacets();
  }

  /** Whether the query can be understood; where it can't, says why, and what is shown stays. */
  async #makesSense() {
    const { query } = this.#state;
    this.#broken = false;
    if (!query) return true;
    const { error } = await ask(`/runs/check?${new URLSearchParams({ query })}`).catch(() => ({ error: null }));
    if (query !== this.#state.query) return false;
    if (error) this.#box.complain(error);
    this.#broken = error !== null;
    return !error;
  }

  #complain(error) {
    if (error.name === "AbortError") return;
    this.#box.complain(error instanceof Refused ? error.problem : { detail: `The runs could not be loaded: ${error.message}. Try again.` });
  }

  /** Loads what is in sight and missing. */
  async #fetch() {
    if (this.#broken) return;
    const source = this.#source;
    try {
      if ((await source.load(...this.#view.window)) && source === this.#source) this.#drawn();
    } catch (error) {
      if (source === this.#source) this.#complain(error);
    }
  }

  #drawn() {
    const { total } = this.#source;
    this.#tick();
    this.#view.draw();
    say(role(this.#root, "count"), `${grouped(total)} ${total === 1 ? "run" : "runs"}`);
    const nothing = role(this.#root, "nothing") ?? role(this.#root, "scroll").appendChild(h("p", { class: "muted nothing", "data-role": "nothing" }));
    nothing.hidden = total > 0;
    if (total === 0 && this.#state.query) nothing.replaceChildren("No run matches. ", h("button", { type: "button", onclick: () => this.#ask("") }, "Show all runs"));
    role(this.#root, "group-these").href = `/groups?${new URLSearchParams({ query: this.#state.query })}`;
    role(this.#root, "csv").href = `${writeAddress(this.#state).replace("/runs", "/runs?format=csv").replace("csv?", "csv&")}`;
    this.#bulk.update();
  }

  /** Asks for a query that came from elsewhere than the keyboard. */
  #ask(query) {
    this.#box.value = query;
    this.set({ query });
    this.#remember();
  }

  /** What is asked for is offered again one day. */
  async #remember() {
    const { query } = this.#state;
    if (await this.#makesSense()) rememberQuery(query);
  }

  async #loadFacets() {
    const { query } = this.#state;
    const { facets } = await ask(`/runs/facets?${new URLSearchParams({ query })}`).catch(() => ({ facets: null }));
    if (!facets || query !== this.#state.query) return;
    this.#showFacets(facets);
  }

  #showFacets(facets) {
    this.#facets = facets;
    showFacets(role(this.#root, "facets"), facets, this.#state, (query) => this.#ask(query));
  }

  /**
   * Takes in what changed; rows of runs that are new, gone or in another status come to their places a moment later, others once
   * nobody is at work on the table.
   */
  #take(runs, gone) {
    const sources = [this.#source, this.#next].filter(Boolean);
    let [stale, moved] = [gone.length > 0, false];
    for (const run of runs)
      for (const source of sources) {
        moved = source.moves(run) || moved;
        stale = source.take(run) || stale;
      }
    for (const source of sources) source.forget(gone);
    this.#picks.forget(gone);
    this.#tick();
    this.#view.draw();
    this.#bulk.update();
    if (stale) this.#refresh ||= setTimeout(() => ((this.#refresh = 0), this.#reload(false)), REFRESH_MS);
    else if (moved) this.#settle();
  }

  /** Loads the order anew, but not under the reader's hand: who is about to click on a row, or edits one, must not meet another. */
  #settle() {
    this.#settling ||= setTimeout(() => {
      this.#settling = 0;
      if (this.#editor || performance.now() - this.#touched < SETTLE_MS) this.#settle();
      else this.#reload(false);
    }, SETTLE_MS);
  }

  #showHead() {
    this.#head.show();
    this.#tick();
    this.#showColumns(this.#widths);
  }

  #showColumns(widths) {
    this.#view.setColumns(this.#shown, widths);
  }

  // Selecting

  async #pick(index, event) {
    const run = this.#source.at(index);
    if (!run) return;
    if (event.shiftKey && this.#picks.anchor !== null) {
      const [from, to] = this.#picks.reach(index);
      let ids = Array.from({ length: to - from + 1 }, (_, i) => this.#source.at(from + i)?.id);
      if (ids.includes(undefined)) ids = (await this.#source.ids()).slice(from, to + 1);
      this.#picks.range(ids);
    } else {
      this.#picks.toggle(run.id, index);
    }
    this.#picked();
  }

  async #pickAll() {
    this.#picks.range(await this.#source.ids());
    this.#picked();
  }

  /** The box in the head says how much is selected. */
  #tick() {
    this.#head.tick(this.#picks.ids.size, this.#source.total);
  }

  #pickNone() {
    this.#picks.clear();
    this.#picked();
  }

  #picked() {
    const { size } = this.#picks.ids;
    this.#tick();
    say(role(this.#root, "announcement"), size ? `${size} selected` : "nothing selected");
    this.#view.draw();
    this.#bulk.update();
  }

  // Editing

  #edit(index, name) {
    const run = this.#source.at(index);
    if (!run) return;
    // What could not be saved comes first: it must not be lost.
    if (this.#editor?.failed) return this.#editor.focus();
    const { text, changes, ...more } = EDITABLE[name];
    // Where the column isn't shown, the name's cell lends its place.
    const cell = this.#view.cell(run.id, name) ?? this.#view.cell(run.id, "name");
    if (!cell) return;
    this.#editor?.finish();
    const editor = editInPlace(cell, {
      ...more,
      text: text(run),
      save: (value) => edit([{ run: this.#source.byId(run.id), changes: changes(value) }], `Changed the ${name} of ${run.name}.`, (seen) => this.#take([seen], [])),
      closed: () => {
        if (this.#editor === editor) this.#editor = null;
        role(this.#root, "grid").focus();
        this.#view.draw();
      },
    });
    this.#editor = editor;
  }

  // Mouse and keys

  #wire(table, scroller) {
    const rowOf = (event) => event.target.closest?.("tbody tr[data-run]");
    role(this.#root, "pager").hidden = true;
    role(this.#root, "columns-button").addEventListener("click", () =>
      openColumnDialog(this.#fields, { columns: this.#columns, widths: this.#widths }, (change) => this.set(change), () => {
        this.set({ columns: null, widths: {} });
        return { columns: this.#columns, widths: {} };
      }),
    );
    table.tBodies[0].addEventListener("click", (event) => {
      const row = rowOf(event);
      if (!row || event.target.closest("a, .in-place")) return;
      const index = Number(row.dataset.index);
      this.#view.activate(index);
      if (event.target.closest(".pencil")) return this.#edit(index, "name");
      if (!event.target.closest(".tick") && !event.shiftKey && !event.ctrlKey && !event.metaKey) return;
      // The box follows the selection, not the other way round; a label's click comes again as its box's.
      if (event.target.closest(".tick") && event.target.tagName !== "INPUT") event.preventDefault();
      this.#pick(index, event);
      table.focus({ preventScroll: true });
    });
    table.tBodies[0].addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault());
    table.tBodies[0].addEventListener("dblclick", (event) => {
      const name = event.target.closest("[data-cell]")?.dataset.cell;
      if (name in EDITABLE) this.#edit(Number(rowOf(event).dataset.index), name);
    });
    table.addEventListener("keydown", (event) => event.target === table && this.#key(event));
    addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.closest?.("input, textarea, select, dialog")) return;
      event.preventDefault();
      this.#box.focus();
    });
    addEventListener("popstate", () => {
      const asked = readAddress(location.search, this.#byName);
      this.#box.value = asked.query;
      this.set({ ...asked, columns: asked.columns ?? this.#state.columns });
    });
    for (const type of ["pointermove", "pointerdown", "wheel", "keydown"]) scroller.addEventListener(type, () => (this.#touched = performance.now()), { passive: true });
    scroller.addEventListener("scroll", () => this.#editor?.failed || this.#editor?.finish(), { passive: true });
  }

  #key(event) {
    const view = this.#view;
    const move = { ArrowDown: 1, ArrowUp: -1, PageDown: view.pageRows, PageUp: -view.pageRows, Home: -Infinity, End: Infinity }[event.key];
    const open = this.#source.at(view.active)?.url;
    if (move !== undefined) {
      if (event.shiftKey && this.#picks.anchor === null) this.#pick(view.active, {});
      view.activate(Math.max(0, Math.min(this.#source.total - 1, view.active + move)));
      if (event.shiftKey) this.#fetch().then(() => this.#pick(view.active, { shiftKey: true }));
    } else if (event.key === " ") this.#pick(view.active, event);
    else if (event.key === "Enter" && open) event.ctrlKey || event.metaKey ? window.open(open) : location.assign(open);
    else if (event.key === "F2") this.#edit(view.active, "name");
    else if (event.key.toLowerCase() === "t" && !event.ctrlKey && !event.metaKey && !event.altKey) this.#edit(view.active, "tags");
    else if (event.key.toLowerCase() === "n" && !event.ctrlKey && !event.metaKey && !event.altKey) this.#edit(view.active, "notes");
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) this.#pickAll();
    else if (event.key === "Escape" && this.#picks.ids.size) this.#pickNone();
    else return;
    event.preventDefault();
  }
}

function storedText() {
  try {
    return localStorage.getItem(STORE) ?? "{}";
  } catch {
    return "{}";
  }
}
