// Loss and accuracy over the epochs, all runs in one chart each, with the clock's epoch marked. Drawn by uPlot.

import { metricValue } from "./format.js";
import { h, keepDataTable, role, say } from "./dom.js";

/** The shapes of the first six runs' points. */
export const SHAPES = ["circle", "triangle", "square", "diamond", "down", "cross"];

/** Aligns several runs' points [[x, y]…] on one axis of x, as uPlot wants them: [xs, ys of run 0, …], null in the gaps. Pure. */
export function align(series) {
  const xs = [...new Set(series.flatMap((points) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const at = new Map(xs.map((x, i) => [x, i]));
  const columns = series.map((points) => {
    const column = new Array(xs.length).fill(null);
    for (const [x, y] of points) column[at.get(x)] = y;
    return column;
  });
  return [xs, ...columns];
}

/** The running losses of a run: x in epochs (2.5: half of the third), only what a logarithmic axis can show. Pure. */
export function runningLoss(run) {
  return run.progress.filter((p) => p.loss.total > 0).map((p) => [p.epoch - 1 + p.step / p.steps, p.loss.total]);
}

/** A metric of a run by epoch. Pure. */
export function byEpoch(run, name) {
  return run.history.filter((r) => Number.isFinite(r.metrics[name])).map((r) => [r.epoch, r.metrics[name]]);
}

let loading = null;

/** Resolves when uPlot is there. Its script is asked for after the frame that is under way: what stands above the charts comes first. */
export function uPlotLoaded() {
  loading ??= new Promise((resolve) => {
    if (window.uPlot) return resolve();
    const script = h("script", { src: "/static/vendor/uPlot.iife.min.js" });
    // Where it fails to load, the tables beside the charts still tell everything.
    for (const event of ["load", "error"]) script.addEventListener(event, resolve, { once: true });
    requestAnimationFrame(() => setTimeout(() => document.head.append(script)));
  });
  return loading;
}

/** The number beside a tick of the loss axis; none where they would stand too close. Pure. */
export function lossTick(value) {
  return value && /^[125]/.test(value.toExponential()) ? String(Number(value.toPrecision(2))) : "";
}

/** The number beside a tick of the accuracy axis. Pure. */
export function accuracyTick(value) {
  return `${Number((value * 100).toFixed(2))} %`;
}

class Chart {
  #plot = null;
  #on;
  #line = h("div", { class: "chart-moment" });
  #epoch = 0;
  #at = 0;
  #key = "";
  #dataKey = "";
  #epochs = 1;
  #dragged = false;
  #range = null; // the epochs in sight, [first, last]; null: all

  constructor(figure, kind, on) {
    this.#on = on;
    this.box = figure.querySelector(".chart");
    this.kind = kind;
    this.metric = kind === "loss" ? "train_loss" : "test_accuracy";
    this.title = figure.querySelector("h3").textContent;
    this.readout = figure.querySelector(".chart-readout");
    listenToChart(this.box, {
      pan: (share) => this.pan(share),
      zoom: (factor) => this.#zoomBy(factor),
      reset: () => this.zoom(0, Infinity),
    });
    this.updateTable = keepDataTable(role(figure, "as-table"), ({ curveFigures }) => curveFigures(this));
    new ResizeObserver(() => {
      if (this.#plot && this.box.clientWidth) this.#plot.setSize({ width: this.box.clientWidth, height: this.box.clientHeight });
    }).observe(this.box);
  }

  async update(runs, palette, epochs, epoch) {
    this.#epoch = epoch;
    this.#epochs = epochs;
    this.runs = runs;
    this.updateTable();
    if (!window.uPlot) await uPlotLoaded();
    if (!window.uPlot) return;
    const key = JSON.stringify([runs.map((run) => run.id), palette, epochs]);
    const dataKey = runs.map((run) => run.seq).join();
    if (this.#key === key && this.#dataKey === dataKey) return this.#say();
    this.#dataKey = dataKey;
    const data = align(this.#curves());
    if (this.#key !== key) {
      this.#plot?.destroy();
      this.box.replaceChildren();
      this.#plot = new window.uPlot(this.#options(runs, palette, epochs), data, this.box);
      this.#key = key;
      this.#listen();
    } else {
      this.#plot.setData(data);
    }
    this.#say();
  }

  /** The points of every curve: of each run's epochs; before them, of a loss, what lies within the epochs. */
  #curves() {
    const curves = this.runs.map((run) => byEpoch(run, this.metric));
    if (this.kind === "accuracy") return curves;
    return [...this.runs.map(runningLoss), ...curves.map((curve) => curve.filter(([, y]) => y > 0))];
  }

  /** What a picture of the chart needs: the epochs in sight, the runs, and every curve. */
  get shown() {
    const [first, last] = this.#range ?? [0, this.#epochs];
    return { kind: this.kind, title: this.title, first, last, runs: this.runs ?? [], curves: this.runs ? this.#curves() : [] };
  }

  #options(runs, palette, epochs) {
    const axis = { stroke: palette.muted, font: "11px system-ui, sans-serif", grid: { stroke: palette.line, width: 1 }, ticks: { show: false } };
    const line = (i, extra) => ({ label: runs[i].name, stroke: palette.runs[i % 6], spanGaps: true, ...extra });
    const perEpoch = (i) => line(i, { width: 2, points: { show: true, paths: shapePaths(SHAPES[i % 6]), size: 8, fill: palette.runs[i % 6] } });
    const loss = this.kind === "loss";
    return {
      width: this.box.clientWidth || 300,
      height: this.box.clientHeight || 200,
      legend: { show: false },
      padding: [10, 12, 0, 0],
      cursor: { points: { show: false }, x: false, y: false, drag: { x: true, y: false, setScale: false, dist: 8 } },
      scales: {
        x: { time: false, range: () => this.#range ?? [0, epochs] },
        y: loss ? { distr: 3 } : { range: (_, min, max) => accuracyRange(min, max) },
      },
      axes: [
        { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500], space: 36, size: 28 },
        {
          ...axis,
          size: 54,
          values: (_, ticks) => ticks.map(loss ? lossTick : accuracyTick),
        },
      ],
      series: [
        {},
        ...(loss ? runs.map((_, i) => line(i, { width: 1, alpha: 0.4, points: { show: false } })) : []),
        ...runs.map((_, i) => perEpoch(i)),
      ],
      hooks: {
        draw: [() => this.move(this.#at)],
        setSelect: [(plot) => this.#zoomToSelection(plot)],
      },
    };
  }

  /** Pointing at the curves shows an epoch for that long, a click or tap stays there. */
  #listen() {
    const { over } = this.#plot;
    over.append(this.#line);
    const under = (event) => Math.round(this.#plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x"));
    over.addEventListener("pointermove", (event) => event.pointerType !== "touch" && this.#on.preview(under(event)));
    over.addEventListener("pointerleave", () => this.#on.preview(0));
    over.addEventListener("click", (event) => {
      // The end of a drag, which zooms, is no click.
      if (this.#dragged) this.#dragged = false;
      else this.#on.seek(under(event));
    });
  }

  /** Moves the line that marks the moment. */
  move(at) {
    this.#at = at;
    this.#line.hidden = !at;
    if (at && this.#plot) this.#line.style.transform = `translateX(${this.#plot.valToPos(at, "x")}px)`;
  }

  #zoomToSelection(plot) {
    const { left, width } = plot.select;
    if (width <= 0) return;
    this.#dragged = true;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
  }

  /** Shows the epochs from `first` to `last`; as much as there is of them. */
  zoom(first, last) {
    const [min, max] = [Math.max(0, first), Math.min(this.#epochs, last)];
    this.#range = min > 0 || max < this.#epochs ? [min, max] : null;
    this.#plot?.setScale("x", { min, max });
  }

  /** Moves on by a share of what is in sight. */
  pan(share) {
    if (!this.#range) return;
    const [min, max] = this.#range;
    const by = Math.max(-min, Math.min(this.#epochs - max, share * (max - min)));
    this.zoom(min + by, max + by);
  }

  #zoomBy(factor) {
    const [min, max] = this.#range ?? [0, this.#epochs];
    const half = (max - min) / 2 / factor;
    this.zoom((min + max) / 2 - half, (min + max) / 2 + half);
  }

  /** The values at the clock's epoch, which is the one pointed at, beside the title. */
  #say() {
    const x = this.#epoch;
    const values = this.runs.map((run) => run.history.find((r) => r.epoch === x)?.metrics[this.metric]);
    if (this.readout.children.length !== this.runs.length + 1) {
      this.readout.replaceChildren(
        h("span"),
        ...this.runs.map((run, i) => h("span", { title: run.name }, h("i", { class: `glyph run-${i}` }), h("b"))),
      );
    }
    say(this.readout.children[0], x ? `epoch ${x}` : "");
    values.forEach((v, i) => say(this.readout.children[i + 1].querySelector("b"), metricValue(this.metric, v)));
  }
}

/** Both charts of a comparison. */
export class Charts {
  /** `on`: preview(epoch, 0 for none any more), seek(epoch). */
  constructor(root, on) {
    this.all = ["loss", "accuracy"].flatMap((kind) => {
      const figure = root.querySelector(`[data-chart="${kind}"]`);
      return figure ? [new Chart(figure, kind, on)] : [];
    });
  }

  /** Marks a moment, in epochs. */
  move(at) {
    for (const chart of this.all) chart.move(at);
  }

  update(runs, palette, epoch) {
    const epochs = Math.max(1, ...runs.map((run) => run.epochs));
    for (const chart of this.all) chart.update(runs, palette, epochs, epoch);
  }
}

/** Keys and the wheel on a chart; to drag over a part of it, which zooms, is uPlot's own. */
function listenToChart(box, on) {
  box.tabIndex = 0;
  box.addEventListener("keydown", (event) => {
    const act = {
      "+": () => on.zoom(1.5),
      "=": () => on.zoom(1.5),
      "-": () => on.zoom(1 / 1.5),
      0: on.reset,
    }[event.key];
    const share = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
    if (act && !event.ctrlKey && !event.metaKey) act();
    else if (share && event.shiftKey) on.pan(share);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("dblclick", on.reset);
  box.addEventListener(
    "wheel",
    (event) => {
      // Sideways only: up and down scrolls the page.
      const delta = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (!delta || (!event.shiftKey && Math.abs(event.deltaX) < Math.abs(event.deltaY))) return;
      event.preventDefault();
      on.pan(delta / box.clientWidth);
    },
    { passive: false },
  );
}

/** Accuracies from a little below the lowest to a little above the highest, never beyond 0 and 1. */
export function accuracyRange(min, max) {
  if (min === null || max === null) return [0, 1];
  const room = Math.max(0.005, (max - min) * 0.08);
  return [Math.max(0, min - room), Math.min(1.0005, max + room)];
}

/** Draws a series' points in a shape of its own, so that runs are told apart without their colours. */
function shapePaths(shape) {
  return (plot, seriesIndex, from, to) => {
    const path = new Path2D();
    const radius = 3.6 * devicePixelRatio;
    const xs = plot.data[0];
    const ys = plot.data[seriesIndex];
    for (let i = from; i <= to; i++) {
      if (ys[i] === null || ys[i] === undefined) continue;
      const x = plot.valToPos(xs[i], "x", true);
      const y = plot.valToPos(ys[i], "y", true);
      addShape(path, shape, x, y, radius);
    }
    return { fill: path, stroke: path };
  };
}

/** Adds a point's shape to a path, or to a context's. */
export function addShape(path, shape, x, y, r) {
  const corners = {
    triangle: [[0, -1.15], [1.05, 0.8], [-1.05, 0.8]],
    down: [[0, 1.15], [1.05, -0.8], [-1.05, -0.8]],
    square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
    diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
    cross: [[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1], [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]],
  }[shape];
  if (!corners) {
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  corners.forEach(([dx, dy], i) => path[i ? "lineTo" : "moveTo"](x + dx * r, y + dy * r));
  path.closePath();
}
