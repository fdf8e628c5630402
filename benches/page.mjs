// How fast the pages are in headless Chromium without a GPU. Needs Node 20, Chromium and ChromeDriver, and no package:
//
//   cargo build --release
//   CENTERSCOPE_DATA=path/to/mnist node benches/page.mjs [--live] [target/release/centerscope]
//
// Prints a table for docs/benchmarks.md. The runs looked at are synthetic: the log of a real tiny run, with made-up points of
// the right number for every epoch; their names say so. `--live` trains three real runs of the quick profile's network instead (on
// few images an epoch, so that many end; about three minutes) and prints how long the way is from the trainer's epoch end to pixels, and
// from a stroke of a drawn digit to the answers.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Browser, REPEATS, printTable, serve, spread, tell } from "./driver.mjs";

const LIVE = process.argv.includes("--live");
const EPOCHS = 10;
/** Of three runs, twice what the page keeps of embeddings (24 MB, static/js/embeddings.js): old ones have to go. */
const MANY_EPOCHS = 200;
/** The three variants with the quick profile's network. Each epoch looks at all test images, which is what takes the time. */
const LIVE_RUNS = { epochs: 24, train_images: 256, width: 0.25, batch_size: 64, dataset: "mnist" };
/** A drag of the clock lasts so long, in milliseconds. */
const DRAG_MS = 6000;
const STATE = "window.centerscope?.state()";

// ---- made-up runs ----------------------------------------------------------------------------------------------------

/** A run folder of `epochs` epochs after the log of a real run; points are ten petals that come apart. */
function fabricate(home, template, number, epochs, labels) {
  const id = `01900000-0000-7000-8000-${String(number).padStart(12, "0")}`;
  const folder = join(home, id);
  mkdirSync(join(folder, "embeddings"), { recursive: true });
  const lines = template.filter((line) => line.type !== "progress" && line.type !== "epoch");
  const epoch = template.findLast((line) => line.type === "epoch");
  const end = lines.pop();
  lines[0].name = `synthetic points ${number}`;
  lines[0].spec.epochs = epochs;
  for (let e = 1; e <= epochs; e++) {
    const spread = 1 - 0.8 * (e / epochs);
    const centers = Array.from({ length: 10 }, (_, k) => [Math.cos((k * Math.PI) / 5 + number) * 8 * (e / epochs), Math.sin((k * Math.PI) / 5 + number) * 8 * (e / epochs)]);
    const metrics = { ...epoch.metrics, test_accuracy: 1 - 0.5 * spread, train_loss: spread, epoch_seconds: 1 };
    lines.push({ ...epoch, epoch: e, metrics, geometry: { ...epoch.geometry, centers, means: centers } });
    for (const [split, bytes] of Object.entries(labels)) writeFileSync(join(folder, "embeddings", `${split}-${String(e).padStart(4, "0")}.npy`), npy(bytes, centers, spread * 3, e * 7 + number));
  }
  lines.push(end);
  writeFileSync(join(folder, "events.jsonl"), lines.map((line, i) => `${JSON.stringify({ ...line, seq: i + 1 })}\n`).join(""));
  writeFileSync(join(folder, "spec.json"), JSON.stringify(lines[0].spec));
  return id;
}

function npy(labels, centers, spread, seed) {
  const n = labels.length;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${n}, 2), }`;
  const head = Buffer.from(`\x93NUMPY\x01\x00\0\0${header.padEnd(118 - 1)}\n`, "latin1");
  head.writeUInt16LE(118, 8);
  const points = new Float32Array(2 * n);
  let state = seed + 1;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let i = 0; i < n; i++) {
    const [x, y] = centers[labels[i]];
    points[2 * i] = x + (random() + random() + random() - 1.5) * spread;
    points[2 * i + 1] = y + (random() + random() + random() - 1.5) * spread;
  }
  return Buffer.concat([head, Buffer.from(points.buffer)]);
}

// ---- what is measured ------------------------------------------------------------------------------------------------

/** Shared by the scripts in the page: `shown(epoch)`, `frame()`, `key(name)`. */
const TOOLS = `
  const frame = () => new Promise(requestAnimationFrame);
  const panels = () => window.centerscope.state().comparison.panels;
  const shown = (epoch) => panels().every((panel) => panel.drawn_epoch === epoch);
  const key = (name) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
`;

/** From navigation to the first frame with a plot in it, and to all plots. */
async function firstPlot(browser, url) {
  const source = `(() => {
    const look = () => {
      const panels = ${STATE}?.comparison?.panels ?? [];
      if (panels.some((panel) => panel.points > 0)) window.firstPlot ??= performance.now();
      if (panels.length && panels.every((panel) => panel.points > 0)) window.allPlots ??= performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  })()`;
  const { identifier } = await browser.devtools("Page.addScriptToEvaluateOnNewDocument", { source });
  const first = [];
  const all = [];
  for (let i = 0; i < REPEATS; i++) {
    await browser.go("about:blank");
    if (i === 0) await browser.devtools("Network.clearBrowserCache");
    await browser.go(url);
    await browser.until("window.allPlots");
    const [a, b] = await browser.run("return [window.firstPlot, window.allPlots];");
    first.push(a);
    all.push(b);
  }
  await browser.devtools("Page.removeScriptToEvaluateOnNewDocument", { identifier });
  return { first, all };
}

/** From a key press to the frame in which all plots show another epoch. */
function replacing(browser) {
  return browser.run(`${TOOLS}
    const times = [];
    key("Home");
    while (!shown(1)) await frame();
    for (let epoch = 2; epoch <= ${EPOCHS}; epoch++) {
      await new Promise((resolve) => setTimeout(resolve, 120)); // until what follows the last frame is over
      const begin = performance.now();
      key("ArrowRight");
      while (!shown(epoch)) await frame();
      times.push(performance.now() - begin);
    }
    return times;`);
}

/** Frames a second while every frame asks for another epoch, and how many of them showed one. */
function scrubbing(browser) {
  return browser.run(`${TOOLS}
    let changes = 0;
    let last = 0;
    let frames = 0;
    let way = "ArrowLeft";
    const begin = performance.now();
    while (performance.now() - begin < 4000) {
      const { epoch } = window.centerscope.state().comparison;
      if (epoch <= 1) way = "ArrowRight";
      if (epoch >= ${EPOCHS}) way = "ArrowLeft";
      key(way);
      await frame();
      frames++;
      const now = panels()[0].drawn_epoch;
      if (now !== last) changes++;
      last = now;
    }
    const seconds = (performance.now() - begin) / 1000;
    return { frames: frames / seconds, changes: changes / seconds, draw: panels().map((panel) => panel.ms) };`);
}

/** Frames a second while the clock is dragged to and fro over all epochs with motion allowed, and how many showed another moment. */
async function dragging(browser) {
  await browser.allowMotion(true);
  const [from, to] = await browser.run(`${TOOLS}
    const lanes = document.querySelector(".scrubber .lanes");
    lanes.scrollIntoView({ block: "nearest", behavior: "instant" });
    const { left, top, width, height } = lanes.getBoundingClientRect();
    const counted = (window.dragged = { frames: 0, moments: 0, ms: 0, between: 0 });
    let last = -1;
    let begin = 0;
    const count = (now) => {
      const { at } = window.centerscope.state().comparison;
      begin ||= now;
      counted.ms = now - begin;
      counted.frames++;
      if (at !== last) counted.moments++;
      if (at % 1) counted.between++;
      last = at;
      if (window.dragged) requestAnimationFrame(count);
    };
    addEventListener("pointerdown", () => requestAnimationFrame(count), { once: true, capture: true });
    return [0.08, 0.98].map((share) => [left + share * width, top + height / 2]);`);
  await browser.shuttle(from, to, DRAG_MS);
  const { frames, moments, between, ms } = await browser.run("const counted = window.dragged; window.dragged = null; return counted;");
  await browser.allowMotion(false);
  return `${((1000 * frames) / ms).toFixed(0)} frames/s, ${((1000 * moments) / ms).toFixed(0)} moments/s (${((100 * between) / frames).toFixed(0)} % between two epochs)`;
}

/**
 * From letting go of a lasso to the frame after the one in which every plot was drawn with its points standing out.
 */
async function lasso(browser) {
  const times = [];
  for (let i = 0; i < REPEATS; i++) {
    const box = await browser.run(`${TOOLS}
      document.querySelectorAll("[data-role=plot]")[0].scrollIntoView({ block: "center" });
      key("Escape");
      while (panels().some((panel) => panel.highlights)) await frame();
      addEventListener("pointerup", async () => {
        const begin = performance.now();
        // Looked at after each frame's drawing, not before it.
        while (!panels().every((panel) => panel.highlights)) await frame().then(() => new Promise((resolve) => setTimeout(resolve)));
        await frame();
        window.lassoed = performance.now() - begin;
      }, { once: true, capture: true });
      window.lassoed = 0;
      const { x, y, width, height } = document.querySelectorAll("[data-role=plot]")[0].getBoundingClientRect();
      return { x, y, width, height };`);
    const reach = i % 2 ? 0.25 : 0.4; // never twice the same
    const corner = (angle) => [box.x + box.width * (0.5 + reach * Math.cos(angle)), box.y + box.height * (0.5 + reach * Math.sin(angle))];
    await browser.lasso(Array.from({ length: 24 }, (_, n) => corner((n * Math.PI) / 12)));
    await browser.until("window.lassoed");
    times.push(await browser.run("return window.lassoed;"));
  }
  return times;
}

/** From a move of the pen, by its own time, to the frame after the one that shows what every network makes of the drawing. */
async function strokes(browser) {
  const times = [];
  for (let i = 0; i < REPEATS; i++) {
    const box = await browser.run(`${TOOLS}
      const pad = document.querySelector("canvas.sketch");
      pad.scrollIntoView({ block: "center" });
      window.drawn = 0;
      const drawn = async (event) => {
        if (!event.buttons) return;
        pad.removeEventListener("pointermove", drawn, { capture: true });
        const begin = event.timeStamp;
        do await frame(); while (!${STATE}.comparison.drawing.answers.every(Boolean)); // this frame shows them
        await frame();
        window.drawn = performance.now() - begin;
      };
      pad.addEventListener("pointermove", drawn, { capture: true });
      const { x, y, width, height } = pad.getBoundingClientRect();
      return { x, y, width, height };`);
    const top = box.y + box.height * (0.2 + 0.6 * (i / REPEATS));
    await browser.drag([box.x + box.width * 0.3, top], [box.x + box.width * 0.6, top + 5]);
    await browser.until("window.drawn && [...document.querySelectorAll('.near img')].every((image) => image.complete)");
    times.push(await browser.run("return window.drawn;"));
  }
  return times.slice(1); // the first one waits for the networks to be read from their checkpoints
}

/** Milliseconds a frame takes while the loss chart of a run with a million points is moved sideways. */
function millionPoints(browser) {
  return browser.run(`
    const { Charts } = await import("/static/js/charts.js");
    const { readPalette } = await import("/static/js/palette.js");
    const root = document.createElement("div");
    root.innerHTML = '<figure data-chart="loss"><h3>Training loss</h3><span class="chart-readout"></span><div class="chart"></div></figure>';
    root.className = "charts";
    document.querySelector("main").prepend(root);
    root.scrollIntoView();
    const progress = Array.from({ length: 1_000_000 }, (_, i) => ({ epoch: 1 + Math.floor(i / 10_000), step: 1 + (i % 10_000), steps: 10_000, loss: { total: 0.1 + Math.abs(Math.sin(i * 0.37) * Math.exp(-i / 3e5)) } }));
    const run = { id: "a", seq: 1, name: "a million", epochs: 100, progress, history: [] };
    const charts = new Charts(root, { preview() {}, seek() {} });
    charts.update([run], readPalette(), 1);
    const [chart] = charts.all;
    chart.zoom(10, 90);
    const times = [];
    for (let i = 0; i < 60; i++) {
      const begin = performance.now();
      chart.pan(i % 20 < 10 ? 0.02 : -0.02);
      await new Promise(requestAnimationFrame);
      times.push(performance.now() - begin);
    }
    root.remove();
    return times.slice(5);`);
}

async function memory(browser) {
  await browser.devtools("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize = 0 } = await browser.devtools("Runtime.getHeapUsage");
  return (usedSize + backingStorageSize) / 1e6;
}

/** Heap and arrays in MB at each fifth of a long comparison, walked through twice. */
async function memoryOverEpochs(browser, url) {
  await browser.go(url);
  await browser.until(`${STATE}?.comparison?.panels.every((panel) => panel.points > 0)`);
  const walk = (from, to) =>
    browser.run(`${TOOLS} for (let epoch = ${from}; epoch <= ${to}; epoch++) { key(epoch === 1 ? "Home" : "ArrowRight"); while (!shown(epoch)) await frame(); }`);
  const readings = [];
  for (const part of [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]) {
    await walk(1 + part * (MANY_EPOCHS / 5), (part + 1) * (MANY_EPOCHS / 5));
    readings.push(await memory(browser));
  }
  return readings;
}

/** Opens and turns on all that the page has scripts for. */
function openEverything(browser) {
  return browser.run(`${TOOLS}
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const title of ["Exact", "How sure", "Where each", "Select images", "Draw a digit", "Dragging selects a box"]) document.querySelector('.controls [title^="' + title + '"]')?.click(), await frame();
    document.querySelector(".matrices button:not(:disabled)")?.click();
    const loaded = () => performance.getEntriesByType("resource").length;
    for (let last = -1; last !== loaded(); await new Promise((resolve) => setTimeout(resolve, 1500))) last = loaded();
    document.querySelector(".matrices button:not(:disabled)").click();
    await new Promise((resolve) => setTimeout(resolve, 1500));`);
}

/** kB of JavaScript that the page has loaded, each file gzipped. */
async function scripts(browser, site) {
  const urls = await browser.run(`return performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => name.endsWith(".js"));`);
  const sizes = await Promise.all([...new Set(urls)].map(async (url) => gzipSync(Buffer.from(await (await fetch(url.replace(/\/\/[^/]+/, `//${site}`))).arrayBuffer()), { level: 9 }).length));
  return { files: sizes.length, kB: sizes.reduce((a, b) => a + b, 0) / 1000 };
}

async function post(site, body) {
  const response = await fetch(`http://${site}/runs`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

/** Resolves when the runs have ended: their stream closes then. */
const over = async (site, ids) => (await fetch(`http://${site}/events?runs=${ids.join(",")}`)).text();

// ---- the two programs ------------------------------------------------------------------------------------------------

async function synthetic(home) {
  let server = await serve(home);
  const { runs } = await post(server.address, { variant: "v1.0", dataset: "mnist", epochs: 1, train_images: 64, width: 0.03125 });
  await over(server.address, [runs[0].id]);
  const labels = {};
  for (const split of ["test", "train"]) labels[split] = new Uint8Array(await (await fetch(`http://${server.address}/data/mnist/labels/${split}`)).arrayBuffer());
  await server.end();
  const log = readFileSync(join(home, runs[0].id, "events.jsonl"), "utf8").trim().split("\n");
  const template = () => log.map((line) => JSON.parse(line));
  rmSync(join(home, runs[0].id), { recursive: true });
  const few = [1, 2, 3].map((n) => fabricate(home, template(), n, EPOCHS, labels));
  const many = [4, 5, 6].map((n) => fabricate(home, template(), n, MANY_EPOCHS, { test: labels.test }));

  server = await serve(home);
  const browser = await Browser.open();
  const url = `http://${server.address}/compare?runs=${few.join(",")}`;
  const { first, all } = await firstPlot(browser, url);
  tell("First plot after navigation, 3 × 10 000 points, nothing cached", `${first[0].toFixed(0)} ms`, "");
  tell("First plot after navigation, 3 × 10 000 points", spread(first.slice(1)), "300 ms");
  tell("All three plots", spread(all.slice(1)), "");
  const { files, kB } = await scripts(browser, server.address);
  tell(`JavaScript of the page as first loaded, gzipped, uPlot included (${files} files)`, `${kB.toFixed(1)} kB`, "60 kB");
  tell("Another epoch in all three plots, forward for the first time", spread(await replacing(browser)), "50 ms");
  tell("Another epoch in all three plots, again", spread(await replacing(browser)), "50 ms");
  const small = await scrubbing(browser);
  tell("Scrubbing, 3 × 10 000 points", `${small.frames.toFixed(0)} frames/s, ${small.changes.toFixed(0)} epochs/s`, "30");
  tell("Lasso to highlight in all plots, 3 × 10 000 points", spread(await lasso(browser)), "50 ms");
  await browser.go(`${url}&split=train`);
  await browser.until(`${STATE}?.comparison?.panels.every((panel) => panel.points === ${labels.train.length})`);
  await replacing(browser);
  const large = await scrubbing(browser);
  tell(`Scrubbing, 3 × ${labels.train.length} points`, `${large.frames.toFixed(0)} frames/s, ${large.changes.toFixed(0)} epochs/s`, "10");
  tell(`Dragging the clock, points moving, 3 × ${labels.train.length} points`, await dragging(browser), "10");
  await browser.go(url);
  await browser.until(`${STATE}?.comparison?.panels.every((panel) => panel.points > 0)`);
  await openEverything(browser);
  const total = await scripts(browser, server.address);
  tell(`The same with everything opened that the page fetches later (${total.files} files)`, `${total.kB.toFixed(1)} kB`, "");
  const pan = await millionPoints(browser);
  tell("A line of 1 000 000 points moved sideways, each frame", spread(pan), "50 ms");
  const readings = await memoryOverEpochs(browser, `http://${server.address}/compare?runs=${many.join(",")}`);
  tell(`Memory while ${MANY_EPOCHS} epochs are walked through twice, at each fifth`, `${readings.map((mb) => mb.toFixed(0)).join(", ")} MB`, "flat");
  await browser.close();
  await server.end();
}

async function live(home) {
  const server = await serve(home);
  const { runs, url } = await post(server.address, LIVE_RUNS);
  const browser = await Browser.open();
  await browser.go(`http://${server.address}${url}`);
  const ids = runs.map((run) => run.id);
  await over(server.address, ids);
  await browser.until(`${STATE}?.connection === "ended"`);
  const { latency } = await browser.run(`return ${STATE};`);
  await browser.go(`http://${server.address}${url}&draw=1`);
  await browser.until(`${STATE}?.comparison?.drawing`);
  tell(`A stroke of a drawn digit, until ${runs.length} networks of quick width have answered`, spread(await strokes(browser)), "50 ms");
  tell(`Trainer's epoch end to pixels, ${ids.length} runs of the quick network training`, `p50 ${latency.p50} ms, p99 ${latency.p99} ms (${latency.n} plots)`, "p50 100 ms, p99 300 ms");
  await browser.close();
  await server.end();
}

const home = mkdtempSync(join(tmpdir(), "centerscope-bench-"));
try {
  await (LIVE ? live : synthetic)(home);
  printTable();
} finally {
  rmSync(home, { recursive: true, force: true });
}
