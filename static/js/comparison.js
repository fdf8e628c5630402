// Runs side by side: one clock, one hover, one selection for all plots; charts and numbers that show the same moment.

import { Charts } from "./charts.js";
import { Clock } from "./clock.js";
import { Controls } from "./controls.js";
import { Drawer } from "./drawer.js";
import { Feed } from "./moments.js";
import { Panel, refusal } from "./panel.js";
import { Planes } from "./planes.js";
import { Transport } from "./transport.js";
import { usualState, viewOf } from "./address.js";
import { showChanges } from "./changes.js";
import { nameData } from "./data-badge.js";
import { role, say } from "./dom.js";
import { commonData, hasEnded, newestEpoch, reportAt } from "./fold.js";
import { onThemeChange, readPalette } from "./palette.js";
import { percent } from "./format.js";
import { keepNumbers } from "./numbers.js";

const NOTHING = { rule: null, indices: [], words: "" };

export class Comparison {
  #root;
  #live;
  #store;
  #palette = readPalette();
  #scheduled = "";
  #begun = false;
  #onChange;
  #showNumbers;
  #drawer; // what holds the controls
  #planes = new Planes(this);
  #asked = ""; // the selection that an address asks for, until there is one
  #selecting = null; // see selecting.js, once it was needed
  #fetched = null; // a promise of it
  #drawPanel = null; // a promise, once it was opened

  /** What the reader decided (see address.js): replaced as a whole when one thing changes. */
  options;

  /** Called after every refresh, for what else on the page shows the clock's epoch or the selection. */
  onEpoch = null;

  /**
   * `root`: the server's element; `restored`: a state of address.js; `onChange(deliberate)` after the reader changed
   * something, `deliberate` where that is worth coming back to.
   */
  constructor(root, live, store, { metrics, restored, onChange }) {
    this.#root = root;
    this.#live = live;
    this.#store = store;
    this.#onChange = onChange;
    this.runs = root.dataset.runs.split(",").map((id) => live.get(id));
    this.clock = new Clock({ moved: () => this.#schedule("moment"), rested: () => onChange(false) });
    this.#showNumbers = keepNumbers(role(root, "numbers"), metrics);
    this.panels = [...root.querySelectorAll("[data-panel]")].map((element, i) => this.#makePanel(element, i));
    this.#makeControls();
    this.charts = new Charts(root, {
      preview: (epoch) => this.clock.preview(epoch),
      seek: (epoch) => this.clock.seek(epoch),
    });
    live.subscribe((run, what) => this.#heard(run, what));
    onThemeChange(() => {
      this.#palette = readPalette();
      for (const panel of this.panels) panel.scatter.setPalette(this.#palette);
      this.#schedule();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.selection.rule && !event.target.closest?.("input, select, textarea")) this.select(null);
    });
    this.restore(restored ?? usualState());
    this.refresh();
    this.#measure();
    // In the next frame: plots follow from it, and an observer may not resize what others observe.
    const above = new ResizeObserver(() => requestAnimationFrame(() => this.#measure()));
    for (const element of root.querySelectorAll(".page-head, .drawer, .panel-head")) above.observe(element);
  }

  /** Says how much lies above the plots, so that they end where the clock begins. */
  #measure() {
    const { plot } = this.panels[0];
    const top = (element) => element.getBoundingClientRect().top;
    const above = top(plot.closest(".bench")) + scrollY + top(plot) - top(plot.closest(".panel"));
    this.#root.style.setProperty("--above", `${Math.round(above)}px`);
  }

  #makePanel(element, i) {
    const panel = new Panel(element, this.runs[i], this.#palette, {
      hover: (index) => this.mark(index),
      view: (view) => this.#viewed(panel, view),
      tool: () => this.options.tool,
      // What it is for is on its way while the outline is drawn.
      outlining: () => this.#withSelecting(() => {}),
      outline: (polygon, pixel) => this.#withSelecting((selecting) => selecting.outline(panel, polygon, pixel)),
      changes: (word) => this.#withSelecting((selecting) => selecting.changes(panel, word)),
    });
    panel.index = i;
    panel.feed = new Feed(this.#store, panel, () => this.#arrived(panel));
    return panel;
  }

  #makeControls() {
    this.controls = new Controls(
      {
        change: (patch) => this.set(patch),
        filter: () => this.#withSelecting((selecting) => selecting.open(true)),
        reset: () => this.#resetViews(),
      },
      { names: this.runs.map((run) => run.name), online: this.#root.dataset.comparison !== "replay" },
    );
    this.#drawer = new Drawer(this.controls.element, `controls-${this.runs[0].id}`);
    this.transport = new Transport(this.clock, this.#root, this.#drawer.opener);
    role(this.#root, "controls").replaceWith(this.#drawer.element);
    role(this.#root, "transport").replaceWith(this.transport.element);
  }

  /** Shows what an address says: see address.js. */
  restore({ epoch, views, select, ...options }) {
    this.#setOptions(options);
    this.clock.restore(epoch);
    this.panels.forEach((panel, i) => panel.scatter.setView(viewOf(views, i)));
    this.#asked = select;
    if (select || this.#selecting) this.#withSelecting((selecting) => selecting.restore(select));
    this.#schedule();
  }

  /** Which images are shown: "test" or "train". */
  get split() {
    return this.options.split;
  }

  /** Which images these are, null as long as no run knows. */
  get data() {
    return commonData(this.runs);
  }

  /** What an address keeps. */
  get state() {
    return {
      ...this.options,
      epoch: this.clock.kept,
      views: this.panels.map((panel) => panel.scatter.view),
      select: this.#selecting?.word ?? this.#asked,
    };
  }

  #setOptions(patch) {
    this.options = { ...this.options, ...patch };
    this.#root.dataset.tool = this.options.tool;
  }

  /** Changes options: classes, layers, split, scale, tool. */
  set(patch) {
    if (patch.split && patch.split !== this.split) this.#selecting?.choose(null);
    this.#setOptions(patch);
    if (patch.scale || patch.reference !== undefined) for (const panel of this.panels) panel.scatter.setView(null);
    this.mark(-1);
    this.#schedule();
    this.#onChange(true);
    if (patch.draw) this.#takeToDraw();
  }

  async #takeToDraw() {
    this.#drawer.open(false);
    await this.#showDraw();
    this.panels[0].plot.scrollIntoView({ block: "nearest" });
  }

  #resetViews() {
    for (const panel of this.panels) panel.scatter.setView(null);
    this.#schedule();
    this.#onChange(true);
  }

  #viewed(source, view) {
    if (this.options.scale !== "own")
      for (const panel of this.panels) if (panel !== source) panel.scatter.setView(view);
    this.#showControls();
    this.#onChange(false);
  }

  #showControls() {
    this.controls.update({ ...this.options, reference: this.#planes.reference.index }, this.#zoomed);
  }

  get #zoomed() {
    return this.panels.some((panel) => panel.scatter.view !== null);
  }

  /** Marks one image in all plots; −1: none. */
  mark(index) {
    this.marked = index;
    // All looks at the layout come before the first card is written: each one after that would lay the page out anew.
    const boxes = () => [this.transport.element, role(this.#root, "draw")].map((element) => element.getBoundingClientRect());
    const sights = index < 0 ? [] : this.panels.map((panel) => panel.inSight(...boxes()));
    this.panels.forEach((panel, i) => panel.mark(index, sights[i]));
  }

  /** Says something to who listens to the page. */
  announce(text) {
    say(role(this.#root, "announcement"), text);
  }

  /** Takes the reader to the panel about the selection. */
  goToSelection() {
    role(this.#root, "selection").scrollIntoView({ block: "nearest" });
  }

  /** What is selected: {rule, indices, words}. */
  get selection() {
    return this.#selecting?.selection ?? NOTHING;
  }

  /** Selects images by a rule (see rules.js) in all plots; null clears. */
  select(rule) {
    if (rule || this.#selecting) return this.#withSelecting((selecting) => selecting.choose(rule, true));
  }

  /** Does something with what selects images, which is fetched when it is first needed. */
  async #withSelecting(act) {
    try {
      this.#fetched ??= this.#fetchSelecting();
      await act(await this.#fetched);
    } catch (error) {
      if (!this.#selecting) this.#fetched = null;
      this.announce(`The selection could not be loaded: ${error.message}. Try again.`);
    }
  }

  async #fetchSelecting() {
    const { Selecting } = await import("./selecting.js");
    this.#selecting = new Selecting(this, this.#store, role(this.#root, "selection"), {
      test: () => this.split !== "test" && this.#setOptions({ split: "test" }),
      chosen: (deliberate) => {
        this.#schedule();
        if (!deliberate) return;
        this.announce(this.selection.rule ? this.selection.words : "Nothing is selected");
        this.#onChange(true);
      },
      opened: () => this.#drawer.open(false),
      later: () => this.#schedule(),
    });
    this.#drawer.opener.before(this.#selecting.count.element);
    return this.#selecting;
  }

  #heard(run, what) {
    if (run && !this.runs.includes(run)) return;
    if (what === "epoch") {
      const { epoch, metrics } = run.history[run.history.length - 1];
      this.announce(`${run.name}: epoch ${epoch}, test accuracy ${percent(metrics.test_accuracy)}`);
    }
    this.#schedule();
  }

  /** What the next frame brings up to date: everything, or only what moves with the clock. */
  #schedule(what = "all") {
    const waiting = this.#scheduled !== "";
    if (this.#scheduled !== "all") this.#scheduled = what;
    if (waiting) return;
    requestAnimationFrame(() => {
      const all = this.#scheduled === "all";
      this.#scheduled = "";
      if (all || this.clock.epoch !== this.epoch) this.refresh();
      else this.#move();
    });
  }

  /** Brings all of the page up to date. */
  refresh() {
    this.clock.newest = Math.max(0, ...this.runs.map(newestEpoch));
    const { epoch } = this.clock;
    this.epoch = epoch;
    for (const panel of this.panels) panel.refused = refusal(panel.run.data, this.data);
    this.#showControls();
    for (const panel of this.panels) {
      panel.scatter.setStyle(this.options);
      if (panel.refused && panel.shown) panel.clear();
      this.#planes.name(panel);
      panel.update(epoch);
    }
    this.transport.update({
      epochs: Math.max(1, ...this.runs.map((run) => run.epochs)),
      lanes: this.runs.map((run, i) => ({
        colour: i,
        epochs: run.epochs,
        done: newestEpoch(run),
        share: run.steps ? run.step / run.steps : 0,
        over: hasEnded(run.status),
      })),
    });
    this.#move();
    this.#selecting?.update();
    nameData(this.data);
    this.#showDraw();
    if (this.#begun) return this.#refreshRest();
    // The first points come before whatever lies under them.
    this.#begun = true;
    requestAnimationFrame(() => setTimeout(() => this.#refreshRest()));
  }

  /** Brings up to date what lies under the plots. */
  #refreshRest() {
    this.charts.update(this.runs, this.#palette, this.epoch);
    this.charts.move(this.clock.at);
    this.onEpoch?.();
    this.#showNumbers(this.runs, this.epoch);
  }

  /** Points, playhead and the charts' line: what every frame of a drag needs. */
  #move() {
    const { at, follow, playing } = this.clock;
    const { over } = this.#planes;
    for (const panel of this.panels) {
      if (!panel.refused) panel.feed.want(at, this.options.split, !follow || playing, over);
      if (panel.shown) showChanges(panel, this.#store, Number.isInteger(at));
    }
    this.#planes.share();
    this.transport.move();
    this.charts.move(at);
  }

  #arrived(panel) {
    this.#planes.name(panel);
    this.#planes.share();
    this.#selecting?.update();
    if (this.marked >= 0) this.mark(this.marked);
    this.#schedule("moment");
  }

  /** The panel to draw a digit: fetched when it is first opened. */
  async #showDraw() {
    const element = role(this.#root, "draw");
    const open = this.options.draw;
    element.hidden = !open;
    this.#root.classList.toggle("drawing", open);
    if (!open && !this.#drawPanel) return;
    this.#drawPanel ??= import("./draw.js").then(({ DrawPanel }) => new DrawPanel(element, this));
    try {
      this.drawing = await this.#drawPanel;
    } catch {
      this.#drawPanel = null;
      return void (element.textContent = "The panel could not be loaded: close it and open it again.");
    }
    this.drawing.update(this.epoch, open);
  }

  /** A read-only picture of what is on the screen, for tests: see inspect.js. */
  inspect() {
    const { clock, selection } = this;
    return {
      epoch: this.epoch,
      at: clock.at,
      follow: clock.follow,
      playing: clock.playing,
      previewing: clock.previewing,
      marked: this.marked ?? -1,
      selected: selection.indices.length,
      selection: [...selection.indices],
      rule: this.#selecting?.word ?? "",
      drawing: this.drawing?.inspect() ?? null,
      options: { ...this.options, zoomed: this.#zoomed, visible: [...this.options.visible] },
      panels: this.panels.map((panel) => panel.inspect()),
    };
  }
}
