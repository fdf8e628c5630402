// Runs side by side: one clock, one hover, one selection for all plots; charts and numbers that show the same moment.

import { Alignments, axesNote, unalign } from "./alignment.js";
import { Charts } from "./charts.js";
import { Clock } from "./clock.js";
import { Controls } from "./controls.js";
import { Feed } from "./moments.js";
import { Panel, refusal } from "./panel.js";
import { Selection } from "./selection.js";
import { Transport } from "./transport.js";
import { usualState, viewOf } from "./address.js";
import { showChanges } from "./changes.js";
import { role, say } from "./dom.js";
import { Drawer, PickedCount } from "./drawer.js";
import { commonData, hasEnded, newestEpoch, reportAt } from "./fold.js";
import { onThemeChange, readPalette } from "./palette.js";
import { percent } from "./format.js";
import { union } from "./geometry.js";
import { numbersKey, updateNumbers } from "./numbers.js";
import { anything, asksOutcome, insideOutline, membersOf, tidyOutline } from "./rules.js";

export class Comparison {
  #root;
  #live;
  #store;
  #metrics = [];
  #palette = readPalette();
  #options; // replaced as a whole when one of them changes
  #scheduled = "";
  #onChange;
  #numbersKey = "";
  #word = ""; // the selection's, for the address
  #dock = null; // the panel about the selection, once it was needed
  #drawer; // what holds the controls
  #picked; // how many images are selected, in the clock's bar
  #alignments;
  #drawPanel = null; // a promise, once it was opened

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
    this.#metrics = metrics;
    this.#onChange = onChange;
    this.runs = root.dataset.runs.split(",").map((id) => live.get(id));
    this.clock = new Clock({ moved: () => this.#schedule("moment"), rested: () => onChange(false) });
    this.selection = new Selection(this.runs, store);
    this.#alignments = new Alignments(this.runs.map((run) => run.id));
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
    this.#refresh();
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
      tool: () => this.#options.tool,
      outline: (polygon, pixel) => this.#selectOutline(panel, polygon, pixel),
      changes: (word) => this.select({ ...anything(this.runs.length, panel.shown.epoch), runs: this.runs.map((_, r) => (r === i ? word : "")) }),
    });
    panel.index = i;
    panel.feed = new Feed(this.#store, panel, () => this.#arrived(panel));
    return panel;
  }

  #makeControls() {
    this.controls = new Controls(
      {
        change: (patch) => this.set(patch),
        filter: () => this.#openDock(true),
        reset: () => this.#resetViews(),
      },
      { names: this.runs.map((run) => run.name), online: this.#root.dataset.comparison !== "replay" },
    );
    this.#drawer = new Drawer(this.controls.element, `controls-${this.runs[0].id}`);
    this.#picked = new PickedCount(this);
    this.transport = new Transport(this.clock, this.#root, [this.#picked.element, this.#drawer.opener]);
    role(this.#root, "controls").replaceWith(this.#drawer.element);
    role(this.#root, "transport").replaceWith(this.transport.element);
  }

  /** Shows what an address says: see address.js. */
  restore({ epoch, views, select, ...options }) {
    this.#setOptions(options);
    this.clock.restore(epoch);
    this.panels.forEach((panel, i) => panel.scatter.setView(viewOf(views, i)));
    this.#word = select;
    if (select) import("./rule-words.js").then(({ decodeRule }) => this.#choose(decodeRule(select, this.runs.length)));
    else this.#choose(null);
    this.#schedule();
  }

  /** Which images are shown: "test" or "train". */
  get split() {
    return this.#options.split;
  }

  /** Which images these are, null as long as no run knows. */
  get data() {
    return commonData(this.runs);
  }

  /** What an address keeps. */
  get state() {
    return {
      ...this.#options,
      epoch: this.clock.kept,
      views: this.panels.map((panel) => panel.scatter.view),
      select: this.#word,
    };
  }

  #setOptions(patch) {
    this.#options = { ...this.#options, ...patch };
    this.#root.dataset.tool = this.#options.tool;
  }

  /** Changes options: classes, layers, split, scale, tool. */
  set(patch) {
    if (patch.split && patch.split !== this.#options.split) this.#choose(null);
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
    if (this.#options.scale !== "own")
      for (const panel of this.panels) if (panel !== source) panel.scatter.setView(view);
    this.#showControls();
    this.#onChange(false);
  }

  #showControls() {
    this.controls.update({ ...this.#options, reference: this.#reference.index }, this.#zoomed);
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

  /** Selects images by a rule (see rules.js) in all plots; null clears. */
  select(rule) {
    return this.#choose(rule, true);
  }

  async #choose(rule, deliberate = false) {
    if (!rule) this.#word = "";
    // A training image's point is from its own step, before the epoch's last layer was there: it has no outcome.
    else if (asksOutcome(rule) && this.#options.split === "train") this.#setOptions({ split: "test" });
    try {
      if (!(await this.selection.choose(rule, this.#options.split))) return;
      // The plots in the next frame, the rest of the page in the one after it.
      this.#highlight();
      requestAnimationFrame(() => {
        if (deliberate) this.announce(this.selection.rule ? this.selection.words : "Nothing is selected");
        this.#schedule();
      });
      if (rule) {
        const { encodeRule } = await import("./rule-words.js");
        if (this.selection.rule !== rule) return;
        this.#word = encodeRule(rule);
      }
      if (deliberate) this.#onChange(true);
      if (rule) await this.#openDock();
    } catch (error) {
      this.announce(`The selection could not be loaded: ${error.message}. Try again.`);
    }
  }

  #selectOutline(panel, polygon, pixel) {
    const hidden = this.#hiddenClasses;
    const { epoch, embedding, labels, alignment } = panel.shown;
    // In the run's own plane: a rule holds whatever the plane is laid over.
    const raw = alignment ? polygon.map((corner) => unalign(alignment, corner)) : polygon;
    const outline = { run: panel.index, epoch, polygon: tidyOutline(raw, pixel / (alignment?.scale ?? 1)), hidden };
    const indices = insideOutline(outline, { ...embedding, labels });
    this.select(indices.length ? { ...anything(this.runs.length, this.clock.epoch), area: { indices, outline } } : null);
  }

  get #hiddenClasses() {
    return this.#options.visible.flatMap((v, k) => (v ? [] : [k]));
  }

  /** The panel about the selection, fetched when it is first needed; `byHand`: it opens without a selection, too. */
  async #openDock(byHand = false) {
    const { SelectionPanel } = await import("./selection-panel.js");
    this.#dock ??= new SelectionPanel(role(this.#root, "selection"), this.runs, {
      choose: (rule) => this.select(rule),
      mark: (index) => this.mark(index),
      hidden: () => this.#hiddenClasses,
    });
    if (byHand) {
      this.#drawer.open(false);
      this.#dock.open();
    }
    this.#schedule();
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
      if (all || this.clock.epoch !== this.epoch) this.#refresh();
      else this.#move();
    });
  }

  #refresh() {
    this.clock.newest = Math.max(0, ...this.runs.map(newestEpoch));
    const { epoch } = this.clock;
    this.epoch = epoch;
    for (const panel of this.panels) panel.refused = refusal(panel.run.data, this.data);
    this.#showControls();
    for (const panel of this.panels) {
      panel.scatter.setStyle(this.#options);
      if (panel.refused && panel.shown) panel.clear();
      this.#nameAxes(panel);
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
    this.charts.update(this.runs, this.#palette, epoch);
    this.#move();
    this.#showSelection();
    this.#nameData();
    this.#showDraw();
    this.onEpoch?.();
    this.#showNumbers();
  }

  /** Points, playhead and the charts' line: what every frame of a drag needs. */
  #move() {
    const { at, follow, playing } = this.clock;
    const over = this.#options.scale === "aligned" ? { reference: this.#reference.run, alignments: this.#alignments } : null;
    for (const panel of this.panels) {
      if (!panel.refused) panel.feed.want(at, this.#options.split, !follow || playing, over);
      if (panel.shown) showChanges(panel, this.#store, Number.isInteger(at));
    }
    this.#share();
    this.transport.move();
    this.charts.move(at);
  }

  #arrived(panel) {
    this.#nameAxes(panel);
    this.#share();
    this.#showSelection();
    if (this.marked >= 0) this.mark(this.marked);
    this.#schedule("moment");
  }

  /** The table; built anew only when it says something else. */
  #showNumbers() {
    const table = role(this.#root, "numbers");
    const key = numbersKey(this.runs, this.epoch);
    if (!table || key === this.#numbersKey) return;
    this.#numbersKey = key;
    updateNumbers(table, this.#metrics, this.runs, this.epoch);
  }

  /** The panel to draw a digit: fetched when it is first opened. */
  async #showDraw() {
    const element = role(this.#root, "draw");
    const open = this.#options.draw;
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

  /** Says which images these are, as soon as that is known: generated digits are never passed off as MNIST. */
  #nameData() {
    const { data } = this;
    const badge = role(document, "data-badge");
    if (!data || !badge) return;
    badge.hidden = false;
    say(badge, data.name);
    badge.classList.toggle("generated", data.set === "generated");
    if (data.set === "generated") badge.title = "Digits that the program draws itself, not MNIST";
  }

  /** The panel whose plane the others are laid over: the chosen one, or the first where nobody sees that one's. */
  get #reference() {
    const shown = this.panels.filter((panel) => !panel.refused);
    const chosen = this.panels[this.#options.reference];
    return shown.includes(chosen) ? chosen : shown[0];
  }

  #nameAxes(panel) {
    if (this.runs.length === 1) return;
    const { alignment } = panel.shown ?? {};
    panel.nameAxes(panel.shown ? axesNote(this.#options.scale, panel, this.#reference, alignment) : "");
  }

  /** One box for all plots where they share their scale. */
  #share() {
    const shared = this.#options.scale !== "own" ? union(this.panels.map((panel) => panel.scatter.box)) : null;
    for (const panel of this.panels) panel.scatter.setSharedBox(shared);
  }

  #showSelection() {
    this.#picked.update(this.selection);
    this.#highlight();
    this.#dock?.update(this.selection, this.#shownPanels, this.epoch);
  }

  get #shownPanels() {
    return this.panels.filter((panel) => panel.shown);
  }

  #highlight() {
    const { indices } = this.selection;
    for (const panel of this.#shownPanels) {
      const { n } = panel.shown.embedding;
      if (panel.picked === indices && panel.pickedOf === n) continue;
      panel.picked = indices;
      panel.pickedOf = n;
      panel.scatter.setSelection(indices.length ? membersOf(indices, n) : null);
    }
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
      rule: this.#word,
      drawing: this.drawing?.inspect() ?? null,
      options: { ...this.#options, zoomed: this.#zoomed, visible: [...this.#options.visible] },
      panels: this.panels.map((panel) => panel.inspect()),
    };
  }
}
