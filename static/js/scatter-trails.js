// Where the learned centers and the class means came from: a trail each, fainter the longer ago, and the gap between them.

import { rgba } from "./palette.js";

/** How opaque each of `pieces` pieces of a trail is, oldest first. Pure. */
export function fading(pieces) {
  return Array.from({ length: pieces }, (_, i) => 0.12 + 0.78 * ((i + 1) / pieces) ** 1.6);
}

/** Draws the trails of the visible classes up to where `geometry` is now. `place([x, y])` → pixels. */
export function drawTrails(context, { trail, geometry, palette, visible }, place) {
  context.lineCap = "round";
  context.lineJoin = "round";
  for (let c = 0; c < visible.length; c++) {
    if (!visible[c]) continue;
    const colour = palette.classes[c];
    const means = [...trail, geometry].map(({ means }) => place(means[c]));
    const centers = [...trail, geometry].map(({ centers }) => place(centers[c]));
    drawTrail(context, means, colour, palette, 1, [1.5, 3.5]);
    drawTrail(context, centers, colour, palette, 2, []);
    drawGap(context, centers[centers.length - 1], means[means.length - 1], colour, palette);
  }
}

function drawTrail(context, points, colour, palette, width, dashes) {
  const alphas = fading(points.length - 1);
  context.setLineDash(dashes);
  for (let i = 1; i < points.length; i++) {
    // A halo of the paper's colour keeps the line apart from the points under it.
    for (const [stroke, lineWidth] of [
      [rgba(palette.panel, 0.75 * alphas[i - 1]), width + 2.5],
      [rgba(colour, alphas[i - 1]), width],
    ]) {
      context.strokeStyle = stroke;
      context.lineWidth = lineWidth;
      context.beginPath();
      context.moveTo(...points[i - 1]);
      context.lineTo(...points[i]);
      context.stroke();
    }
  }
  context.setLineDash([]);
  if (dashes.length) return;
  for (let i = 0; i < points.length - 1; i++) {
    context.fillStyle = rgba(colour, alphas[i]);
    context.beginPath();
    context.arc(...points[i], 1.9, 0, 2 * Math.PI);
    context.fill();
  }
}

function drawGap(context, center, mean, colour, palette) {
  for (const [stroke, lineWidth] of [
    [rgba(palette.panel, 0.9), 4],
    [palette.ink, 1.25],
  ]) {
    context.strokeStyle = stroke;
    context.lineWidth = lineWidth;
    context.beginPath();
    context.moveTo(...center);
    context.lineTo(...mean);
    context.stroke();
  }
  context.beginPath();
  context.arc(...mean, 3, 0, 2 * Math.PI);
  context.fillStyle = rgba(colour);
  context.fill();
  context.strokeStyle = rgba(palette.panel);
  context.lineWidth = 1;
  context.stroke();
}
