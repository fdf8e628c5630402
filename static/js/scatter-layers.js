// What lies under and over the points: shading, decision regions, grid and axes below; ticks, trails, centers, means and marks
// above.

import { decisionRegions, projection, visibleBox } from "./geometry.js";
import { linearTicks } from "./ticks.js";
import { tickLabel } from "./format.js";
import { rgba } from "./palette.js";

/** What few ask for is fetched when somebody does: drawShading, drawTrails. */
let extras = {};

/** Fetches what a style asks for and is not here yet; whether it came. */
export async function fetchExtras({ shading, trails }) {
  if (extras.drawTrails || !(shading || trails)) return false;
  const modules = await Promise.all([import("./scatter-shading.js"), import("./scatter-trails.js")]).catch(() => []);
  extras = Object.assign({}, ...modules);
  return true;
}

/** Pixels between two ticks at least. */
const TICK_PIXELS = 72;

/** The ticks of both axes. One scale holds for both, so the same density makes the same step: squares. */
function ticksOf(box, width, height) {
  return { x: linearTicks(box.xMin, box.xMax, width / TICK_PIXELS), y: linearTicks(box.yMin, box.yMax, height / TICK_PIXELS) };
}

/** The pages' own typeface, as a canvas wants it. */
export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** Grid, axes and, where asked for, the exact decision regions. Sizes in CSS pixels; the context is scaled already. */
export function drawUnder(context, scene) {
  const { view, width, height, palette, geometry, regions, shading, visible } = scene;
  context.clearRect(0, 0, width, height);
  if (!geometry) return;
  const box = visibleBox(view, width, height);
  const { k, ox, oy } = projection(view, width, height);
  if (shading) extras.drawShading?.(context, scene);
  if (regions) {
    // One pixel more on each side, so that no outline shows along the plot's edge.
    const pad = 2 / k;
    const wide = { xMin: box.xMin - pad, xMax: box.xMax + pad, yMin: box.yMin - pad, yMax: box.yMax + pad };
    decisionRegions(geometry.weight, geometry.bias, wide).forEach((polygon, c) => {
      if (polygon.length < 3) return;
      context.beginPath();
      polygon.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x * k + ox, oy - y * k));
      context.closePath();
      if (!shading) {
        context.fillStyle = rgba(palette.classes[c], visible[c] ? 0.17 : 0.05);
        context.fill();
      }
      context.strokeStyle = rgba(palette.classes[c], 0.45);
      context.lineWidth = 1;
      context.stroke();
    });
  }
  context.lineWidth = 1;
  for (const [axis, { values }] of Object.entries(ticksOf(box, width, height))) {
    for (const value of values) {
      const at = Math.round(axis === "x" ? value * k + ox : oy - value * k) + 0.5;
      context.strokeStyle = Math.abs(value) < 1e-9 ? palette.axis : palette.line;
      context.beginPath();
      if (axis === "x") {
        context.moveTo(at, 0);
        context.lineTo(at, height);
      } else {
        context.moveTo(0, at);
        context.lineTo(width, at);
      }
      context.stroke();
    }
  }
}

/** Tick labels, learned centers, class means, the mark of the highlighted point, the lasso under way. */
export function drawOver(context, scene) {
  const { view, width, height, palette, geometry, visible } = scene;
  context.clearRect(0, 0, width, height);
  if (!geometry) return;
  const { k, ox, oy } = projection(view, width, height);
  drawTickLabels(context, scene, k, ox, oy);
  if (scene.trails && scene.trail) extras.drawTrails?.(context, scene, ([x, y]) => [x * k + ox, oy - y * k]);
  if (scene.means) {
    geometry.means.forEach(([x, y], c) => visible[c] && drawCross(context, x * k + ox, oy - y * k, palette, c));
  }
  if (scene.centers) {
    geometry.centers.forEach(([x, y], c) => visible[c] && drawCenter(context, x * k + ox, oy - y * k, palette, c));
  }
  if (scene.guest) drawGuest(context, scene, k, ox, oy);
  if (scene.mark) drawMark(context, scene.mark.x * k + ox, oy - scene.mark.y * k, palette, scene.mark.label);
  if (scene.lasso?.length > 1) drawLasso(context, scene.lasso, palette);
}

function drawTickLabels(context, { view, width, height, palette }, k, ox, oy) {
  const box = visibleBox(view, width, height);
  context.font = `11px ${FONT}`;
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = rgba(palette.panel, 0.85);
  context.fillStyle = palette.muted;
  const write = (text, x, y) => {
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  };
  const { x: xTicks, y: yTicks } = ticksOf(box, width, height);
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  for (const v of xTicks.values) {
    const at = v * k + ox;
    if (at > 34 && at < width - 14) write(tickLabel(v, xTicks.step), at, height - 6);
  }
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const v of yTicks.values) {
    const at = oy - v * k;
    if (at > 10 && at < height - 24) write(tickLabel(v, yTicks.step), 6, at);
  }
}

function drawCenter(context, x, y, palette, c) {
  context.beginPath();
  context.arc(x, y, 9, 0, 2 * Math.PI);
  context.fillStyle = rgba(palette.panel, 0.94);
  context.fill();
  context.lineWidth = 2.25;
  context.strokeStyle = rgba(palette.classes[c]);
  context.stroke();
  context.fillStyle = palette.ink;
  context.font = `700 11px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(String(c), x, y + 0.5);
}

function drawCross(context, x, y, palette, c) {
  for (const [colour, lineWidth] of [
    [rgba(palette.panel), 4.5],
    [rgba(palette.classes[c]), 2],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = lineWidth;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(x - 5, y - 5);
    context.lineTo(x + 5, y + 5);
    context.moveTo(x - 5, y + 5);
    context.lineTo(x + 5, y - 5);
    context.stroke();
  }
}

/** A reticle: ring and four ticks, so that it is seen without hiding what it marks. */
function drawMark(context, x, y, palette, label) {
  context.lineCap = "butt";
  for (const [colour, lineWidth] of [
    [rgba(palette.panel), 4],
    [palette.ink, 1.75],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = lineWidth;
    context.beginPath();
    context.arc(x, y, 7, 0, 2 * Math.PI);
    for (const [dx, dy] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      context.moveTo(x + dx * 7, y + dy * 7);
      context.lineTo(x + dx * 13, y + dy * 13);
    }
    context.stroke();
  }
  context.fillStyle = rgba(palette.classes[label] ?? [128, 128, 128]);
  context.beginPath();
  context.arc(x, y, 3, 0, 2 * Math.PI);
  context.fill();
}

/** A digit that somebody drew: a diamond with what it is taken for; at the edge, and paler, where it lies beyond. */
function drawGuest(context, { guest, width, height, palette }, k, ox, oy) {
  const size = 13;
  const [left, top] = [guest.place[0] * k + ox, oy - guest.place[1] * k];
  const x = Math.max(size, Math.min(width - size, left));
  const y = Math.max(size, Math.min(height - size, top));
  context.globalAlpha = x === left && y === top ? 1 : 0.6;
  context.lineJoin = "round";
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.closePath();
  context.strokeStyle = rgba(palette.panel);
  context.lineWidth = 5;
  context.stroke();
  context.fillStyle = palette.accent;
  context.fill();
  context.strokeStyle = palette.ink;
  context.lineWidth = 1.5;
  context.stroke();
  context.fillStyle = rgba(palette.panel);
  context.font = `700 13px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(String(guest.label), x, y + 0.5);
  context.globalAlpha = 1;
}

function drawLasso(context, lasso, palette) {
  context.beginPath();
  lasso.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](x, y));
  context.closePath();
  context.fillStyle = palette.accent;
  context.globalAlpha = 0.12;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = palette.accent;
  context.lineWidth = 1.5;
  context.setLineDash([4, 3]);
  context.stroke();
  context.setLineDash([]);
}
