// A picture of a chart to take away: its title, axes, curves and the names of the runs, in the colours of the page. Drawn by
// one function on a canvas or as SVG.

import { SHAPES, accuracyRange, accuracyTick, addShape, lossTick } from "./charts.js";
import { canvasOf, cut, svgFile, write } from "./figure.js";
import { readPalette, rgba } from "./palette.js";
import { SvgContext } from "./svg-context.js";
import { linearTicks } from "./ticks.js";

const WIDTH = 900;
const HEIGHT = 460;
const BOX = { left: 82, right: WIDTH - 24, top: 72, bottom: HEIGHT - 52 };
const LEGEND_ROW = 22;
const LEGEND_COLUMNS = 3;
const LONGEST_NAME = 36;
const POINT = 4;

/** The picture of `chart`, what Chart.shown gives, on a canvas. */
export function curveCanvas(chart, ratio) {
  const canvas = canvasOf(WIDTH, heightOf(chart), ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  draw(context, chart);
  return canvas;
}

/** The same as the text of an SVG file. */
export function curveSvg(chart) {
  const context = new SvgContext();
  draw(context, chart);
  return svgFile(context.text, WIDTH, heightOf(chart));
}

function heightOf({ runs }) {
  return HEIGHT + Math.ceil(runs.length / LEGEND_COLUMNS) * LEGEND_ROW;
}

/** The points in sight, and the range of their values; null without any. Pure. */
export function inSight({ kind, first, last, curves }) {
  const seen = curves.map((points) => points.filter(([x]) => x >= first && x <= last));
  const values = seen.flatMap((points) => points.map(([, y]) => y));
  if (!values.length) return null;
  const [low, high] = values.reduce(([low, high], y) => [Math.min(low, y), Math.max(high, y)], [Infinity, -Infinity]);
  // A hair of room around a loss, as a factor: its axis is logarithmic.
  const [min, max] = kind === "loss" ? [low / 1.1, high * 1.1] : accuracyRange(low, high);
  return { curves: seen, min, max };
}

function draw(context, chart) {
  const palette = readPalette();
  context.fillStyle = rgba(palette.panel);
  context.fillRect(0, 0, WIDTH, heightOf(chart));
  const loss = chart.kind === "loss";
  const data = chart.runs[0]?.data?.name;
  write(context, chart.title, 24, 38, "700 20px", palette.ink);
  const notes = [data, loss && "log scale; faint: within the epoch"].filter(Boolean).join(" · ");
  write(context, notes, 24, 58, "400 13px", palette.muted);
  const sight = inSight(chart);
  if (!sight) return;

  const { min, max, curves } = sight;
  const scale = loss ? Math.log : (y) => y;
  const at = {
    x: (x) => BOX.left + ((x - chart.first) / (chart.last - chart.first)) * (BOX.right - BOX.left),
    y: (y) => BOX.bottom - ((scale(y) - scale(min)) / (scale(max) - scale(min))) * (BOX.bottom - BOX.top),
  };
  drawAxes(context, chart, palette, at, loss ? logTicks(min, max) : linearTicks(min, max, 6).values);
  const epochs = curves.slice(-chart.runs.length);
  const within = curves.slice(0, curves.length - chart.runs.length);
  within.forEach((points, i) => drawLine(context, points, at, palette.runs[i % 6], 1, 0.4));
  epochs.forEach((points, i) => {
    drawLine(context, points, at, palette.runs[i % 6], 2, 1);
    points.forEach(([x, y]) => drawShape(context, i, at.x(x), at.y(y), palette));
  });
  chart.runs.forEach((run, i) => {
    const x = BOX.left + (i % LEGEND_COLUMNS) * ((BOX.right - BOX.left) / LEGEND_COLUMNS);
    const y = HEIGHT + Math.floor(i / LEGEND_COLUMNS) * LEGEND_ROW;
    drawShape(context, i, x, y - 4, palette);
    write(context, cut(run.name, LONGEST_NAME), x + 12, y, "600 13px", palette.ink);
  });
}

function drawAxes(context, { kind, first, last }, palette, at, ticks) {
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  for (const y of ticks) {
    line(context, [BOX.left, at.y(y)], [BOX.right, at.y(y)]);
    write(context, kind === "loss" ? lossTick(y) : accuracyTick(y), BOX.left - 8, at.y(y) + 4, "400 12px", palette.muted, "right");
  }
  for (const x of linearTicks(first, last, 10).values.filter(Number.isInteger)) {
    line(context, [at.x(x), BOX.top], [at.x(x), BOX.bottom]);
    write(context, String(x), at.x(x), BOX.bottom + 18, "400 12px", palette.muted, "center");
  }
  write(context, "epoch", BOX.right, BOX.bottom + 34, "400 12px", palette.muted, "right");
}

function line(context, from, to) {
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

function drawLine(context, points, at, colour, width, alpha) {
  if (!points.length) return;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.globalAlpha = alpha;
  context.beginPath();
  points.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](at.x(x), at.y(y)));
  context.stroke();
  context.globalAlpha = 1;
}

function drawShape(context, run, x, y, palette) {
  context.fillStyle = palette.runs[run % 6];
  context.beginPath();
  addShape(context, SHAPES[run % 6], x, y, POINT);
  context.fill();
}

/** Numbers that begin with 1, 2 or 5 from min to max, for a logarithmic axis. Pure. */
export function logTicks(min, max) {
  if (!(min > 0) || !(max >= min) || !Number.isFinite(max)) return [];
  const powers = Array.from({ length: Math.ceil(Math.log10(max)) - Math.floor(Math.log10(min)) + 1 }, (_, i) => Math.floor(Math.log10(min)) + i);
  return powers.flatMap((power) => [1, 2, 5].map((m) => Number(`${m}e${power}`))).filter((tick) => tick >= min && tick <= max);
}
