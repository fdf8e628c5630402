// Runs side by side: one clock, one hover, one selection for all plots; charts and numbers that show the same moment.

import { Charts } from "./charts.js";
import { Controls } from "./controls.js";
import { Panel } from "./panel.js";
import { SelectionStrip } from "./selection.js";
import { Transport } from "./transport.js";
import { h, role, say } from "./dom.js";
import { hasEnded, newestEpoch, reportAt } from "./fold.js";
import { onThemeChange, readPalette } from "./palette.js";
import { percent } from "./format.js";
import { union } from "./geometry.js";
import { updateNumbers } from "./numbers.js";

const RETRY_MS = 4000;

export class Comparison {
  #root;
  #live;
  #store;
  #metrics = [];
  #palette = readPalette();
  #cursor = { follow: true, epoch: 0 };
  #options = {
    visible: new Array(10).fill(true),
    centers: true,
    means: false,
    regions: false,
    split: "test",
    scale: "own",
    tool: "move",
    zoomed: false,
  };
  #selection = [];
  #scheduled = false;
  #onChange;
  #numbersKey = "";

  /** Called after every refresh, for what else on the page shows the clock's epoch. */
  onEpoch = null;

  /** `root`: the server's element; `onChange()` after the reader changed something. */
  constructor(root, live, store, { metrics, restored, onChange }) {
    this.#root = root;
    this.#live = live;
    this.#store = store;
    this.#metrics = metrics;
    this.#onChange = onChange;
    this.runs = root.dataset.runs.split(",").map((id) => live.get(id));
    this.#restore(restored);
    this.panels = [...root.querySelectorAll("[data-panel]")].map((element, i) => this.#makePanel(element, i));
    this.#makeControls();
    this.strip = new SelectionStrip(role(root, "selection"), {
      clear: () => this.select([]),
      mark: (index) => this.#mark(index),
    });
    this.charts = new Charts(root);
    live.subscribe((run, what) => this.#heard(run, what));
    onThemeChange(() => {
      this.#palette = readPalette();
      for (const panel of this.panels) panel.scatter.setPalette(this.#palette);
      this.#schedule();
    });
    this.#refresh();
  }

  #makePanel(element, i) {
    const panel = new Panel(element, this.runs[i], this.#palette, {
      hover: (index) => this.#mark(index),
      view: (view) => this.#viewed(panel, view),
      lasso: (indices) => this.select(indices),
      lassoMode: () => this.#options.tool === "lasso",
    });
    panel.index = i;
    return panel;
  }

  #makeControls() {
    this.controls = new Controls(
      {
        change: (patch) => this.set(patch),
        reset: () => this.#resetViews(),
      },
      { several: this.runs.length > 1 },
    );
    const drawer = h("div", { class: "drawer", id: `controls-${this.runs[0].id}` }, this.controls.element);
    const opener = h(
      "button",
      {
        type: "button",
        class: "opener",
        "aria-expanded": "false",
        "aria-controls": drawer.id,
        onclick: () => {
          const open = drawer.classList.toggle("open");
          opener.setAttribute("aria-expanded", String(open));
        },
      },
      "Controls",
    );
    this.transport = new Transport(
      {
        seek: (epoch) => this.#seek({ follow: false, epoch }),
        follow: () => this.#seek({ follow: true, epoch: 0 }),
      },
      opener,
    );
    role(this.#root, "controls").replaceWith(drawer);
    role(this.#root, "transport").replaceWith(this.transport.element);
  }

  /** Takes over what an address said: {epoch, split, scale, hidden, centers, means, regions}. */
  #restore(restored = {}) {
    const { epoch, ...options } = restored;
    Object.assign(this.#options, options);
    if (epoch) this.#cursor = { follow: false, epoch };
  }

  /** Changes options: classes, layers, split, scale, tool. */
  set(patch) {
    if (patch.split && patch.split !== this.#options.split) this.#selection = [];
    Object.assign(this.#options, patch);
    if (patch.scale) this.#resetViews();
    this.#mark(-1);
    this.#schedule();
    this.#onChange();
  }

  #seek(cursor) {
    this.#cursor = cursor;
    this.#schedule();
    this.#onChange();
  }

  #resetViews() {
    for (const panel of this.panels) panel.scatter.setView(null);
    this.#options.zoomed = false;
    this.#schedule();
  }

  #viewed(source, view) {
    if (this.#options.scale === "shared")
      for (const panel of this.panels) if (panel !== source) panel.scatter.setView(view);
    this.#options.zoomed = this.panels.some((panel) => panel.scatter.view !== null);
    this.controls.update(this.#options);
  }

  /** Marks one image in all plots. */
  #mark(index) {
    this.marked = index;
    for (const panel of this.panels) panel.mark(index);
  }

  /** Selects images (by index) in all plots; [] clears. */
  select(indices) {
    this.#selection = indices;
    this.#schedule();
  }

  /** What the address keeps: options, and the epoch unless the newest is followed. */
  get state() {
    return { ...this.#options, epoch: this.#cursor.follow ? 0 : this.#cursor.epoch };
  }

  #heard(run, what) {
    if (run && !this.runs.includes(run)) return;
    if (what === "epoch") {
      const { epoch, metrics } = run.history[run.history.length - 1];
      say(role(this.#root, "announcement"), `${run.name}: epoch ${epoch}, test accuracy ${percent(metrics.test_accuracy)}`);
    }
    this.#schedule();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#refresh();
    });
  }

  #refresh() {
    const newest = Math.max(0, ...this.runs.map(newestEpoch));
    const { follow } = this.#cursor;
    const epoch = follow ? newest : Math.min(this.#cursor.epoch, newest);
    this.epoch = epoch;
    const epochs = Math.max(1, ...this.runs.map((run) => run.epochs));
    this.controls.update(this.#options);
    for (const panel of this.panels) {
      panel.scatter.setStyle(this.#options);
      panel.update(epoch);
      this.#load(panel, epoch);
    }
    this.#share();
    this.#showSelection();
    this.transport.update({
      epoch,
      newest,
      epochs,
      follow,
      lanes: this.runs.map((run, i) => ({
        colour: i,
        epochs: run.epochs,
        done: newestEpoch(run),
        share: run.steps ? run.step / run.steps : 0,
        over: hasEnded(run.status),
      })),
    });
    this.charts.update(this.runs, this.#palette, epoch);
    this.#nameData();
    this.onEpoch?.();
    this.#showNumbers();
  }

  /** The table; built anew only when it says something else. */
  #showNumbers() {
    const table = role(this.#root, "numbers");
    const key = JSON.stringify(this.runs.map((run) => [reportAt(run, this.epoch)?.epoch, run.status]));
    if (!table || key === this.#numbersKey) return;
    this.#numbersKey = key;
    updateNumbers(table, this.#metrics, this.runs, this.epoch);
  }

  /** Says which images these are, as soon as that is known: generated digits are never passed off as MNIST. */
  #nameData() {
    const data = this.runs.find((run) => run.data)?.data;
    const badge = role(document, "data-badge");
    if (!data || !badge) return;
    badge.hidden = false;
    say(badge, data.name);
    badge.classList.toggle("generated", data.set === "generated");
    if (data.set === "generated") badge.title = "Digits that the program draws itself, not MNIST";
  }

  /** Puts the points of `epoch` (or the run's last before it) into a panel as soon as they are here. */
  async #load(panel, epoch) {
    const { run } = panel;
    const report = reportAt(run, epoch);
    const set = run.data?.set;
    if (!report || !set) return;
    const { split } = this.#options;
    const wanted = `${report.epoch}/${split}`;
    if (panel.wanted === wanted) return;
    panel.wanted = wanted;
    try {
      const [embedding, labels] = await Promise.all([
        this.#store.load(run.id, report.epoch, split),
        this.#store.labels(set, split),
      ]);
      if (panel.wanted !== wanted) return;
      const glide = panel.shown !== null && panel.shown.split === split;
      panel.show({ epoch: report.epoch, split, set, report, embedding, labels }, glide);
      this.#share();
      this.#showSelection();
      if (this.marked >= 0) panel.mark(this.marked);
    } catch (error) {
      if (panel.wanted !== wanted) return;
      panel.complain(`${error.message}. Trying again.`);
      setTimeout(() => {
        if (panel.wanted === wanted) panel.wanted = null;
        this.#schedule();
      }, RETRY_MS);
      return;
    }
    const next = reportAt(run, report.epoch + 1);
    if (!this.#cursor.follow && next) this.#store.load(run.id, next.epoch, split).catch(() => {});
  }

  /** One box for all plots where they share their scale. */
  #share() {
    const shared = this.#options.scale === "shared" ? union(this.panels.map((panel) => panel.scatter.box)) : null;
    for (const panel of this.panels) panel.scatter.setSharedBox(shared);
  }

  #showSelection() {
    const panels = this.panels.filter((panel) => panel.shown);
    const picked = panels.length ? this.#selection : [];
    for (const panel of panels) {
      if (!picked.length) panel.scatter.setSelection(null);
      else if (panel.picked !== picked || panel.pickedOf !== panel.shown.embedding.n) {
        const bytes = new Uint8Array(panel.shown.embedding.n);
        for (const i of picked) bytes[i] = 1;
        panel.scatter.setSelection(bytes);
      }
      panel.picked = picked;
      panel.pickedOf = panel.shown.embedding.n;
    }
    this.strip.update(picked, panels);
  }

  /** A read-only picture of what is on the screen, for tests: see inspect.js. */
  inspect() {
    return {
      epoch: this.epoch,
      follow: this.#cursor.follow,
      marked: this.marked ?? -1,
      selected: this.#selection.length,
      options: { ...this.#options, visible: [...this.#options.visible] },
      panels: this.panels.map((panel) => ({
        run: panel.run.id,
        status: panel.run.status,
        epochs_received: panel.run.history.length,
        epoch: panel.shown?.report.epoch ?? 0,
        split: panel.shown?.split ?? null,
        zoomed: panel.scatter.view !== null,
        ...panel.scatter.stats,
        place_of: (index) => panel.scatter.placeOf(index),
      })),
    };
  }
}
