// A picture of plots to take away: what it shows, the plots as they are on the page, and the legend. Drawn by the page's own
// code, on a canvas or as SVG.

import { CpuRenderer } from "./scatter-cpu.js";
import { SvgContext, pointsAsSvg } from "./svg-context.js";
import { FONT, drawOver, drawUnder } from "./scatter-layers.js";
import { grouped, percent } from "./format.js";
import { readPalette, rgba } from "./palette.js";

const MARGIN = 24;
const GAP = 18;
const SIDE = 440;
const HEAD = 58;
const PANEL_HEAD = 44;
const AXES_HEAD = 17; // more, where plots say which axes they have
const LEGEND = 40;
const LONGEST_NAME = 54;
const LONGEST_NOTE = 76;

/** How many plots stand side by side. Pure. */
export function columnsOf(count) {
  return count === 4 ? 2 : Math.min(3, count);
}

/** Draws on a canvas with `ratio` device pixels a CSS pixel. */
class CanvasSurface {
  constructor(width, height, ratio) {
    this.ratio = ratio;
    this.canvas = canvasOf(width, height, ratio);
    this.context = this.canvas.getContext("2d");
    this.context.scale(ratio, ratio);
  }

  /** `draw(context)` within a box of its own. */
  layer(x, y, width, height, draw) {
    const canvas = canvasOf(width, height, this.ratio);
    const context = canvas.getContext("2d");
    context.scale(this.ratio, this.ratio);
    draw(context);
    this.context.drawImage(canvas, x, y, width, height);
  }

  points(x, y, width, height, frame) {
    const canvas = canvasOf(width, height, this.ratio);
    new CpuRenderer(canvas).draw(frame);
    this.context.drawImage(canvas, x, y, width, height);
  }
}

/** Writes SVG. */
class SvgSurface {
  ratio = 1;
  context = new SvgContext();

  layer(x, y, width, height, draw) {
    const context = new SvgContext();
    draw(context);
    this.#nest(x, y, width, height, context.text);
  }

  points(x, y, width, height, frame) {
    this.#nest(x, y, width, height, pointsAsSvg(frame));
  }

  #nest(x, y, width, height, text) {
    this.context.write(`<svg x="${x}" y="${y}" width="${width}" height="${height}">\n${text}\n</svg>`);
  }
}

/** A canvas of `ratio` device pixels a CSS pixel. */
export function canvasOf(width, height, ratio) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  return canvas;
}

/** The figure of `panels` on a canvas; `options`: what the page shows (see address.js), and `selected`: how many images, in words. */
export function figureCanvas(panels, options, ratio) {
  const { width, height } = sizeOf(panels);
  const surface = new CanvasSurface(width, height, ratio);
  draw(surface, panels, options, width, height);
  return surface.canvas;
}

/** The figure of `panels` as the text of an SVG file. */
export function figureSvg(panels, options) {
  const { width, height } = sizeOf(panels);
  const surface = new SvgSurface();
  draw(surface, panels, options, width, height);
  return svgFile(surface.context.text, width, height);
}

/** The text of an SVG file with these elements, twice as large as on the page. */
export function svgFile(elements, width, height) {
  const size = `width="${2 * width}" height="${2 * height}" viewBox="0 0 ${width} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${elements}\n</svg>\n`;
}

/** How much stands over a plot. */
function headOf(panels) {
  return PANEL_HEAD + (panels.some((panel) => panel.axes) ? AXES_HEAD : 0);
}

function sizeOf(panels) {
  const columns = columnsOf(panels.length);
  const rows = Math.ceil(panels.length / columns);
  return {
    width: 2 * MARGIN + columns * SIDE + (columns - 1) * GAP,
    height: MARGIN + HEAD + rows * (headOf(panels) + SIDE) + (rows - 1) * GAP + LEGEND + MARGIN,
  };
}

function draw(surface, panels, options, width, height) {
  const palette = readPalette();
  const { context } = surface;
  context.fillStyle = rgba(palette.panel);
  context.fillRect(0, 0, width, height);
  drawHead(context, panels, options, palette);
  const head = headOf(panels);
  const columns = columnsOf(panels.length);
  panels.forEach((panel, i) => {
    const x = MARGIN + (i % columns) * (SIDE + GAP);
    const y = MARGIN + HEAD + Math.floor(i / columns) * (head + SIDE + GAP);
    drawPanel(surface, panel, palette, x, y, head, panels.length > 1);
  });
  drawLegend(context, panels, options, palette, width, height - MARGIN - LEGEND / 2 + 6);
}

/** Writes a line of text. */
export function write(context, text, x, y, font, colour, align = "left") {
  context.font = `${font} ${FONT}`;
  context.fillStyle = colour;
  context.textAlign = align;
  context.textBaseline = "alphabetic";
  context.fillText(text, x, y);
}

function drawHead(context, panels, { selected }, palette) {
  const { shown, run } = panels[0];
  const title = panels.length > 1 ? panels.map((panel) => panel.label).join(" · ") : run.name;
  const epochs = new Set(panels.map((panel) => panel.shown.report.epoch));
  const epoch = epochs.size === 1 ? `epoch ${[...epochs][0]}` : `epochs ${[...epochs].join(", ")}`;
  const what = `${epoch} · ${grouped(shown.embedding.n)} ${shown.split} images of ${shown.data.name}`;
  const note = selected ? ` · ${selected}` : "";
  write(context, cut(title, LONGEST_NAME * columnsOf(panels.length)), MARGIN, MARGIN + 18, "700 20px", palette.ink);
  write(context, what + note, MARGIN, MARGIN + 40, "400 13px", palette.muted);
}

function drawPanel(surface, panel, palette, x, y, head, named) {
  const { context } = surface;
  const { run, shown } = panel;
  const accuracy = percent(shown.report.metrics.test_accuracy);
  const parts = `${run.network} · ${run.distance} · epoch ${shown.report.epoch} of ${run.epochs} · test accuracy ${accuracy}`;
  if (named) write(context, cut(run.name, LONGEST_NAME), x, y + 14, "650 14px", palette.ink);
  write(context, parts, x, y + 33, "400 12px", palette.muted);
  // As on the page: a plane that was turned and scaled must not pass for the network's own.
  write(context, cut(panel.axes, LONGEST_NOTE), x, y + 51, "400 12px", palette.muted);
  const top = y + head;
  const still = panel.scatter.still(SIDE, SIDE, surface.ratio);
  if (!still) return;
  surface.layer(x, top, SIDE, SIDE, (layer) => drawUnder(layer, still.scene));
  surface.points(x, top, SIDE, SIDE, still.frame);
  surface.layer(x, top, SIDE, SIDE, (layer) => drawOver(layer, still.scene));
  context.strokeStyle = palette.axis;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, top + 0.5, SIDE - 1, SIDE - 1);
}

function drawLegend(context, panels, options, palette, width, y) {
  let x = MARGIN + 5;
  palette.classes.forEach((colour, k) => {
    context.globalAlpha = options.visible[k] ? 1 : 0.25;
    context.beginPath();
    context.arc(x, y - 4, 5, 0, 2 * Math.PI);
    context.fillStyle = rgba(colour);
    context.fill();
    write(context, String(k), x + 9, y, "600 12px", palette.ink);
    x += 28;
  });
  context.globalAlpha = 1;
  const marks = [options.centers && "○ learned center", options.means && "× class mean"].filter(Boolean).join("   ");
  write(context, marks, x + 4, y, "400 12px", palette.muted);
  if (panels.length > 1) write(context, "Centerscope", width - MARGIN, y, "400 12px", palette.muted, "right");
}

/** A text of at most so many letters. */
export function cut(text, longest) {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}
