// The beginning of a replay: the same modules as on the live page, with the runs, their points and their images out of the
// file itself instead of from a server. See server/src/replay.rs, which writes the file.

import { Comparison } from "./comparison.js";
import { EmbeddingStore, Lru } from "./embeddings.js";
import { SHEET_COLUMNS } from "./strip.js";
import { keepMatrices } from "./confusion.js";
import { h } from "./dom.js";
import { expose } from "./inspect.js";
import { setImageSource } from "./images.js";
import { keepSaveMenu } from "./save.js";
import { keepThemeButton } from "./theme-button.js";

const SIDE = 28;
const MOST_SHEETS = 100;

/** The bytes in a gzip file that stands in base64. */
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Images as one picture, row by row: each of `images` has one byte a pixel. A `data:` address. */
function draw(images, columns) {
  const canvas = document.createElement("canvas");
  canvas.width = columns * SIDE;
  canvas.height = Math.ceil(images.length / columns) * SIDE;
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  images.forEach((pixels, n) => {
    pixels.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
    context.putImageData(image, (n % columns) * SIDE, Math.floor(n / columns) * SIDE);
  });
  return canvas.toDataURL();
}

/** Where the page finds its pictures: drawn from the pixels that `of(data, split, index)` gives. */
function drawnFrom(of) {
  const sheets = new Lru(MOST_SHEETS);
  return {
    image: (data, split, index) => draw([of(data, split, index)], 1),
    sheet: (data, split, indices) => {
      // The strip asks for each of its cells.
      const key = `${split}/${indices}`;
      let url = sheets.get(key);
      if (!url) sheets.set(key, (url = draw(indices.map((index) => of(data, split, index)), SHEET_COLUMNS)), 1);
      return url;
    },
  };
}

async function start() {
  document.documentElement.classList.add("replay");
  keepThemeButton(document.querySelector('[data-role="theme"]'));
  const { runs, metrics, milestones, files } = JSON.parse(document.getElementById("replay-index").textContent);
  const bytes = await unpack(document.getElementById("replay-data").textContent);
  const read = async (address) => {
    if (!files[address]) throw new Error("This file has no points of these images");
    const [begin, length] = files[address];
    return bytes.slice(begin, begin + length);
  };
  setImageSource(drawnFrom(({ set }, split, index) => new Uint8Array(bytes, files[`/data/${set}/images/${split}`][0] + index * SIDE * SIDE, SIDE * SIDE)));
  const byId = new Map(runs.map((run) => [run.id, run]));
  const silent = { get: (id) => byId.get(id), subscribe() {} };
  const root = document.querySelector("[data-comparison]");
  const comparison = new Comparison(root, silent, new EmbeddingStore(read), { metrics: [...metrics, ...milestones], restored: null, onChange() {} });
  // The file holds the test images alone.
  comparison.controls.split.element.hidden = true;
  const matrices = document.querySelector('[data-role="matrices"]');
  matrices.addEventListener("toggle", () => keepMatrices(matrices, comparison), { once: true });
  keepSaveMenu(document.querySelector('[data-role="save"]'), comparison);
  expose(() => ({ connection: "ended", comparison: comparison.inspect() }));
}

start().catch((error) => {
  const able = "DecompressionStream" in window;
  const why = able ? `${error.message}. The file may have been cut short: save the replay again.` : "this browser can't unpack it. Open it in Chromium 80, Firefox 113, Safari 16.4 or newer.";
  document.querySelector("main").prepend(h("p", { class: "reason", role: "alert" }, h("b", {}, "The replay can't be shown: "), why));
});
