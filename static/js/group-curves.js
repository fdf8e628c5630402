// A metric by epoch for groups of runs: means with a band, or every run. Drawn by uPlot.

import { h, say } from "./dom.js";
import { metricValue } from "./format.js";
import { align } from "./charts.js";
import { dashOf, glyphOf, markOf } from "./marks.js";

const MOST_NAMED = 6;

/** The lower and upper edge of a group's band at a point of its curve; null where a single run has none. Pure. */
export function edges(point, shape) {
  if (shape === "range") return [point.min, point.max];
  return point.interval ?? [null, null];
}

/**
 * What uPlot draws: {data, series: [{group, kind}…], bands: [[upper, lower]…]}; kinds: "mean", "low", "high", "run". Pure.
 */
export function curvesOf({ groups, runs }, shape) {
  const series = [];
  const points = [];
  const bands = [];
  groups.forEach((group, i) => {
    if (shape === "lines") {
      const own = new Set(group.runs);
      for (const run of runs.filter((run) => own.has(run.id))) {
        series.push({ group: i, kind: "run" });
        points.push(run.curve);
      }
      return;
    }
    const at = series.length + 1;
    series.push({ group: i, kind: "low" }, { group: i, kind: "high" }, { group: i, kind: "mean" });
    for (const edge of [0, 1]) points.push(group.curve.map((p) => [p.epoch, edges(p, shape)[edge]]));
    points.push(group.curve.map((p) => [p.epoch, p.mean]));
    bands.push([at + 1, at]);
  });
  return { data: align(points), series, bands };
}

/** Says over how many of a group's runs a mean is, where not all have got so far. Pure. */
export function fewer(point, group) {
  return point && point.n < group.drawn ? ` of ${point.n} of ${group.drawn}` : null;
}

export class GroupCurves {
  #plot = null;
  #nearest = null;

  constructor(box, readout) {
    this.box = box;
    this.readout = readout;
    new ResizeObserver(() => {
      if (this.#plot && box.clientWidth) this.#plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }).observe(box);
  }

  show(grouped, shape, palette) {
    const { data, series, bands } = curvesOf(grouped, shape);
    this.grouped = grouped;
    this.#plot?.destroy();
    this.box.replaceChildren();
    this.series = series;
    this.#nearest = null;
    const colour = (group) => palette.runs[markOf(group).hue];
    const styles = {
      mean: { width: 2, points: { show: true, size: 6 } },
      run: { width: 1.25, points: { show: false } },
      low: { width: 0, points: { show: false } },
      high: { width: 0, points: { show: false } },
    };
    const axis = { stroke: palette.muted, font: "11px system-ui, sans-serif", grid: { stroke: palette.line, width: 1 }, ticks: { show: false } };
    const isShare = grouped.metric.endsWith("accuracy");
    // The interval of a few runs may reach beyond what a share can be; the axis need not.
    const range = (_, min, max) => {
      const [low, high] = window.uPlot.rangeNum(min ?? 0, max ?? 1, 0.1, true);
      return isShare ? [Math.max(low, 0), Math.min(high, 1)] : [low, high];
    };
    const values = (_, ticks) => ticks.map((v) => (isShare ? `${Number((v * 100).toFixed(2))} %` : String(Number(v.toPrecision(6)))));
    this.#plot = new window.uPlot(
      {
        width: this.box.clientWidth || 300,
        height: this.box.clientHeight || 260,
        legend: { show: false },
        padding: [10, 12, 0, 0],
        cursor: { points: { show: false }, y: false, drag: { x: false, y: false } },
        scales: { x: { time: false }, y: { range } },
        axes: [
          { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500], space: 36, size: 28 },
          { ...axis, size: 60, values },
        ],
        series: [{}, ...series.map(({ group, kind }) => ({ stroke: colour(group), dash: dashOf(group), spanGaps: true, ...styles[kind] }))],
        bands: bands.map((pair) => ({ series: pair, fill: `${colour(series[pair[0] - 1].group)}2b` })),
        hooks: { setCursor: [() => this.#say()] },
      },
      data,
      this.box,
    );
    this.#say();
  }

  /** The group whose line is nearest to the pointer at an epoch; null where the pointer is elsewhere. */
  #pointedAt(epoch) {
    const { left, top } = this.#plot.cursor;
    const at = this.#plot.data[0].indexOf(epoch);
    if (!(left >= 0) || at < 0) return null;
    const reach = (series, i) => {
      const value = this.#plot.data[i + 1][at];
      const drawn = ["mean", "run"].includes(series.kind) && value !== null && value !== undefined;
      return drawn ? Math.abs(this.#plot.valToPos(value, "y") - top) : Infinity;
    };
    const reaches = this.series.map(reach);
    const least = Math.min(...reaches);
    return Number.isFinite(least) ? this.series[reaches.indexOf(least)].group : null;
  }

  /** The groups' means under the pointer, else at the last epoch; of many groups, that of the nearest line, which stands out. */
  #say() {
    const { groups, metric } = this.grouped;
    const last = Math.max(0, ...groups.flatMap((group) => group.curve.map((p) => p.epoch)));
    const { left } = this.#plot.cursor;
    const epoch = left >= 0 ? Math.max(1, Math.round(this.#plot.posToVal(left, "x"))) : last;
    const many = groups.length > MOST_NAMED;
    const nearest = many ? this.#pointedAt(epoch) : null;
    const told = groups.map((group, i) => {
      const point = group.curve.find((p) => p.epoch === epoch);
      return h("span", {}, h("i", { class: glyphOf(i) }), group.label, h("b", {}, metricValue(metric, point?.mean)), fewer(point, group));
    });
    const head = h("span");
    say(head, many && nearest === null ? `${groups.length} groups: point at a line for its name` : epoch ? `epoch ${epoch}` : "");
    this.readout.replaceChildren(head, ...(many ? told.filter((_, i) => i === nearest) : told));
    if (nearest === this.#nearest) return;
    this.#nearest = nearest;
    this.series.forEach(({ group }, i) => (this.#plot.series[i + 1].alpha = nearest === null || group === nearest ? 1 : 0.15));
    this.#plot.redraw(false);
  }
}
