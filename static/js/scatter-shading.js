// How sure the last layer is of each place of the plane: the softmax of its logits, a few pixels at a time.

import { projection } from "./geometry.js";

const CELL = 4; // CSS pixels along a side: the softmax is smooth, and the canvas smooths the rest
const STRONGEST = 0.42;

/**
 * RGBA of columns × rows cells: the classes' colours mixed by their probabilities, opaque where one of them is certain and
 * clear where none is. `at`: {x, y} of the first cell's middle in data units, `step`: data units a cell. Pure.
 */
export function probabilityPixels({ weight, bias }, colours, columns, rows, at, step) {
  const pixels = new Uint8ClampedArray(4 * columns * rows);
  const classes = bias.length;
  const chance = new Float64Array(classes);
  for (let row = 0, p = 0; row < rows; row++) {
    const y = at.y - row * step;
    for (let column = 0; column < columns; column++, p += 4) {
      const x = at.x + column * step;
      let most = -Infinity;
      for (let k = 0; k < classes; k++) {
        chance[k] = weight[k][0] * x + weight[k][1] * y + bias[k];
        if (chance[k] > most) most = chance[k];
      }
      let sum = 0;
      for (let k = 0; k < classes; k++) sum += chance[k] = Math.exp(chance[k] - most);
      let r = 0;
      let g = 0;
      let b = 0;
      for (let k = 0; k < classes; k++) {
        const share = chance[k] / sum;
        if (share < 0.002) continue;
        r += share * colours[k][0];
        g += share * colours[k][1];
        b += share * colours[k][2];
      }
      // The largest probability is 1/sum, since the largest logit was taken to 0; 1/classes says nothing at all.
      const certainty = (1 / sum - 1 / classes) / (1 - 1 / classes);
      pixels[p] = r;
      pixels[p + 1] = g;
      pixels[p + 2] = b;
      pixels[p + 3] = 255 * STRONGEST * certainty;
    }
  }
  return pixels;
}

let scratch; // one for all plots: it is painted and copied at once

/** Shades the whole plot. Sizes in CSS pixels; the context is scaled already. */
export function drawShading(context, { view, width, height, palette, geometry }) {
  const columns = Math.ceil(width / CELL);
  const rows = Math.ceil(height / CELL);
  const { k, ox, oy } = projection(view, width, height);
  const first = { x: (CELL / 2 - ox) / k, y: (oy - CELL / 2) / k };
  const pixels = probabilityPixels(geometry, palette.classes, columns, rows, first, CELL / k);
  scratch ??= document.createElement("canvas");
  if (scratch.width !== columns || scratch.height !== rows) Object.assign(scratch, { width: columns, height: rows });
  scratch.getContext("2d").putImageData(new ImageData(pixels, columns, rows), 0, 0);
  context.drawImage(scratch, 0, 0, columns * CELL, rows * CELL);
}
