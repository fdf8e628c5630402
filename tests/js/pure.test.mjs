// The page's pure functions, run with `node --test tests/js/`: folds, geometry, formats, the binary form.

import assert from "node:assert/strict";
import { test } from "node:test";
import { applyEvent, commonData, epochSecondsLeft, keptEpochs, reportAt } from "../../static/js/fold.js";
import { bounds, clipHalfPlane, decisionRegions, fit, insidePolygon, projection, zoomAt } from "../../static/js/geometry.js";
import { BucketGrid } from "../../static/js/grid.js";
import { drawOrder } from "../../static/js/order.js";
import { linearTicks } from "../../static/js/ticks.js";
import { logTicks } from "../../static/js/curve-figure.js";
import { deviceAndPrecision, compact, duration, metricValue, percent, tickLabel } from "../../static/js/format.js";
import { EmbeddingStore, Lru, parseEmbedding } from "../../static/js/embeddings.js";
import { follow, streamUrl } from "../../static/js/stream.js";
import { align, runningLoss } from "../../static/js/charts.js";
import { bestOf, sharesLoss } from "../../static/js/numbers.js";
import { afterClick } from "../../static/js/controls.js";
import { numbersOf, planned, refused, requestOf, startLabel } from "../../static/js/run-form.js";
import { axisOf, fieldColumns } from "../../static/js/axis.js";
import { curvesOf, fewer } from "../../static/js/group-curves.js";
import { groupCells, layout, standing } from "../../static/js/groups.js";
import { within } from "../../static/js/parallel.js";
import { glyphOf } from "../../static/js/marks.js";
import { shade } from "../../static/js/confusion.js";
import { parseHex, rgba } from "../../static/js/palette.js";
import { SvgContext, pointsAsSvg } from "../../static/js/svg-context.js";
import { animatedWebp } from "../../static/js/webp.js";
import { columnsOf } from "../../static/js/figure.js";
import { fileName, framesOf } from "../../static/js/save.js";
import { refusal } from "../../static/js/panel.js";
import { classFigures } from "../../static/js/table-figures.js";
import { percentile } from "../../static/js/latency.js";
import { toCsv } from "../../static/js/csv.js";

const freshRun = () => ({ id: "a", seq: 1, status: "SCHEDULED", epoch: 0, epochs: 3, step: 0, steps: 0, history: [], progress: [], files: {}, best_test_accuracy: null });
const epochEvent = (seq, epoch, accuracy) => ({ seq, time_ms: 9, type: "epoch", epoch, metrics: { test_accuracy: accuracy, train_loss: 1, epoch_seconds: 2 } });

test("a run's events add up to its state", () => {
  const run = freshRun();
  const started = { seq: 2, time_ms: 5, type: "started", data: { set: "mnist", name: "MNIST" }, train_images: 100, steps_per_epoch: 10, device: "CPU" };
  assert.equal(applyEvent(run, started), "started");
  assert.equal(run.status, "RUNNING");
  assert.equal(applyEvent(run, { seq: 3, type: "progress", epoch: 1, step: 4, steps: 10, loss: { total: 2 }, images_per_s: 30 }), "progress");
  assert.equal(epochSecondsLeft(run), 2);
  assert.equal(applyEvent(run, epochEvent(4, 1, 0.9)), "epoch");
  assert.equal(applyEvent(run, epochEvent(5, 2, 0.8)), "epoch");
  assert.equal(run.best_test_accuracy, 0.9);
  assert.equal(run.test_accuracy, 0.8);
  assert.equal(applyEvent(run, { seq: 6, time_ms: 7, type: "failed", reason: "full disk" }), "failed");
  assert.deepEqual([run.status, run.reason, run.ended_ms], ["FAILED", "full disk", 7]);
});

test("a resumed run goes back to its checkpoint and on from there", () => {
  const run = freshRun();
  const kept = (epoch) => [`checkpoints/epoch-000${epoch}.safetensors`, "checkpoints/last.safetensors", `embeddings/test-000${epoch}.npy`];
  [0.7, 0.9, 0.8].forEach((accuracy, i) => applyEvent(run, { ...epochEvent(2 + i, i + 1, accuracy), artifacts: kept(i + 1) }));
  assert.deepEqual(keptEpochs(run), [3, 2, 1]);
  applyEvent(run, { seq: 5, type: "progress", epoch: 4, step: 1, steps: 2, loss: { total: 2 } });
  applyEvent(run, { seq: 6, time_ms: 7, type: "killed", reason: "by hand" });
  assert.equal(applyEvent(run, { seq: 7, type: "resumed", epoch: 1, damaged: ["x: torn"] }), "resumed");
  assert.deepEqual([run.status, run.reason, run.epoch, run.step, run.test_accuracy, run.best_test_accuracy], ["SCHEDULED", null, 1, 0, 0.7, 0.7]);
  assert.deepEqual([run.history.length, run.progress.length, run.damaged, keptEpochs(run)], [1, 0, ["x: torn"], [1]]);
  assert.equal(applyEvent(run, epochEvent(8, 2, 0.95)), "epoch");
  assert.deepEqual([run.epoch, run.best_test_accuracy], [2, 0.95]);
});

test("a run says where it trains, in which precision, and what the GPU's memory held", () => {
  const run = freshRun();
  assert.equal(deviceAndPrecision(run), "");
  const started = { seq: 2, time_ms: 5, type: "started", data: { set: "mnist", name: "MNIST" }, device: "A GPU (CUDA)", precision: "tf32", device_memory: { used_bytes: 1_940_000_000, total_bytes: 85e9 } };
  applyEvent(run, started);
  assert.equal(deviceAndPrecision(run), "A GPU (CUDA), tf32, 1.9 of 85.0 GB in use");
  assert.equal(deviceAndPrecision({ device: "CPU (2 threads)", precision: "f32", device_memory: null }), "CPU (2 threads), f32");
});

test("an event that is known is ignored, a gap is told and changes nothing", () => {
  const run = { ...freshRun(), seq: 5 };
  assert.equal(applyEvent(run, epochEvent(5, 1, 0.5)), "old");
  assert.equal(applyEvent(run, epochEvent(7, 1, 0.5)), "gap");
  assert.deepEqual([run.seq, run.history.length], [5, 0]);
});

test("the epoch shown is the asked one or the last before it", () => {
  const run = freshRun();
  [1, 2, 4].forEach((epoch, i) => applyEvent(run, epochEvent(2 + i, epoch, 0.5)));
  assert.equal(reportAt(run, 3).epoch, 2);
  assert.equal(reportAt(run, 9).epoch, 4);
  assert.equal(reportAt(run, 0), null);
});

test("decision regions tile the plane, each where its logit is the largest", () => {
  const weight = [[1, 0], [-1, 0.5], [0, -2], [0.1, 0.1]];
  const bias = [0, 0.2, -0.1, -9];
  const box = { xMin: -2, xMax: 2, yMin: -2, yMax: 2 };
  const regions = decisionRegions(weight, bias, box);
  const area = (p) => Math.abs(p.reduce((sum, [x, y], i) => sum + x * p[(i + 1) % p.length][1] - y * p[(i + 1) % p.length][0], 0)) / 2;
  assert.ok(Math.abs(regions.reduce((sum, p) => sum + area(p), 0) - 16) < 1e-9);
  assert.equal(regions[3].length, 0);
  regions.forEach((polygon, k) => {
    if (!polygon.length) return;
    const x = polygon.reduce((sum, p) => sum + p[0], 0) / polygon.length;
    const y = polygon.reduce((sum, p) => sum + p[1], 0) / polygon.length;
    const logits = bias.map((b, j) => weight[j][0] * x + weight[j][1] * y + b);
    assert.equal(logits.indexOf(Math.max(...logits)), k);
  });
});

test("clipping keeps the right side", () => {
  const square = [[0, 0], [2, 0], [2, 2], [0, 2]];
  assert.deepEqual(clipHalfPlane(square, 1, 0, -1), [[1, 0], [2, 0], [2, 2], [1, 2]]);
  assert.deepEqual(clipHalfPlane(square, 1, 0, -3), []);
});

test("a view has one scale for both axes, and zooming keeps the point under the pointer", () => {
  const view = fit({ xMin: 0, xMax: 10, yMin: 0, yMax: 2 }, 400, 200, 0);
  const { k, ox, oy } = projection(view, 400, 200);
  assert.deepEqual([0 * k + ox, 10 * k + ox], [0, 400]);
  assert.equal(oy - 1 * k, 100);
  const near = zoomAt(view, 3, 1, 4);
  const p = projection(near, 400, 200);
  assert.ok(Math.abs(3 * p.k + p.ox - (3 * k + ox)) < 1e-9);
  assert.ok(Math.abs(p.k / k - 4) < 1e-9);
});

test("bounds leave far outliers and lost points out, and cope with none", () => {
  const x = Float32Array.from({ length: 4000 }, (_, i) => i / 4000);
  x[7] = 1e6;
  x[8] = NaN;
  const box = bounds(x, x);
  assert.ok(box.xMax < 1e6 && box.xMin >= 0);
  assert.deepEqual(bounds([], []), { xMin: 0, xMax: 0, yMin: 0, yMax: 0 });
});

test("a lasso holds what is inside of it", () => {
  const concave = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]];
  assert.deepEqual(insidePolygon(concave, [1, 2, 3, 9], [1, 3, 1, 9]), [0, 2]);
  assert.deepEqual(insidePolygon(concave, [1, 3], [1, 1], (i) => i === 1), [1]);
});

test("the nearest point is what a search through all finds", () => {
  const n = 500;
  const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898) * 10);
  const y = Float32Array.from({ length: n }, (_, i) => Math.cos(i * 78.233) * 10);
  x[3] = NaN;
  const grid = new BucketGrid(x, y, bounds(x, y));
  for (let q = 0; q < 60; q++) {
    const [qx, qy] = [Math.sin(q) * 11, Math.cos(q * 3) * 11];
    let best = -1;
    let least = 4;
    for (let i = 0; i < n; i++) {
      const d = (x[i] - qx) ** 2 + (y[i] - qy) ** 2;
      if (i % 2 === 0 && d <= least) [best, least] = [i, d];
    }
    assert.equal(grid.nearest(qx, qy, 2, (i) => i % 2 === 0), best);
  }
});

test("the drawing order is a permutation, always the same, and no sorted one", () => {
  const order = drawOrder(1000);
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
  assert.notDeepEqual([...order], [...order].sort((a, b) => a - b));
  assert.equal(drawOrder(1000), order);
});

test("ticks are round and inside", () => {
  assert.deepEqual(linearTicks(-12, 12, 5), { step: 5, values: [-10, -5, 0, 5, 10] });
  assert.equal(linearTicks(1, 1, 5).values.length, 0);
  assert.deepEqual(logTicks(0.09, 2.3), [0.1, 0.2, 0.5, 1, 2]);
  assert.deepEqual([logTicks(0, 1), logTicks(2, 1), logTicks(1, Infinity)], [[], [], []]);
  assert.equal(tickLabel(-0.30000000000000004, 0.1), "−0.3");
});

test("numbers read well", () => {
  assert.equal(percent(0.9731), "97.31\u202f%");
  assert.equal(compact(0.04217), "0.0422");
  assert.equal(compact(12345), "12\u202f345");
  assert.equal(compact(NaN), "–");
  assert.equal(metricValue("images_per_s", 1234.5), "1\u202f235");
  assert.equal(metricValue("test_accuracy", 0.5), "50.00\u202f%");
  assert.equal(duration(3700), "1 h 2 min");
});

test("the compact binary is read, lost points and predictions included, and anything else refused", () => {
  const buffer = new ArrayBuffer(34);
  const view = new DataView(buffer);
  [..."CSE1"].forEach((c, i) => view.setUint8(i, c.charCodeAt(0)));
  view.setUint32(4, 2, true);
  [-1, 1, 0, 4].forEach((v, i) => view.setFloat32(8 + 4 * i, v, true));
  [0, 65534, 65535, 65535].forEach((v, i) => view.setUint16(24 + 2 * i, v, true));
  new Uint8Array(buffer).set([7, 3], 32);
  const { n, x, y, guesses } = parseEmbedding(buffer);
  assert.deepEqual([n, x[0], y[0], ...guesses], [2, -1, 4, 7, 3]);
  assert.equal(parseEmbedding(buffer.slice(0, 32)).guesses.length, 0, "of training images");
  assert.ok(Number.isNaN(x[1]) && Number.isNaN(y[1]));
  assert.throws(() => parseEmbedding(buffer.slice(0, 28)), /cut short/);
  assert.throws(() => parseEmbedding(new ArrayBuffer(40)), /no embeddings/);
});

test("old embeddings are forgotten, the ones in use kept", () => {
  const kept = new Lru(100);
  kept.set("a", 1, 40);
  kept.set("b", 2, 40);
  kept.get("a");
  kept.set("c", 3, 40);
  assert.deepEqual([kept.get("a"), kept.get("b"), kept.get("c"), kept.weight], [1, undefined, 3, 80]);
});

test("the stream goes on after what is known", () => {
  assert.equal(streamUrl([{ id: "a", seq: 12 }, { id: "b", seq: 7 }]), "/events?runs=a,b&after=12.7");
});

test("curves share one axis", () => {
  assert.deepEqual(align([[[1, 5], [2, 6]], [[2, 7]]]), [[1, 2], [5, 6], [null, 7]]);
  const run = { progress: [{ epoch: 2, step: 5, steps: 10, loss: { total: 0.5 } }, { epoch: 2, step: 6, steps: 10, loss: { total: 0 } }] };
  assert.deepEqual(runningLoss(run), [[1.5, 0.5]]);
});

test("the best is marked only where there is one", () => {
  assert.deepEqual(bestOf([1, 3, 2], true), [1]);
  assert.deepEqual(bestOf([1, NaN, 1.5], false), [0]);
  assert.deepEqual(bestOf([1, 1], true), []);
  assert.deepEqual(bestOf([1, NaN], true), []);
  assert.deepEqual(bestOf([1, 2], null), []);
  const spec = { distance: "root", lambda: 1, batch_size: 64, seed: 1 };
  assert.ok(sharesLoss(spec, { ...spec, seed: 2 }));
  for (const other of [{ distance: "squared" }, { lambda: 0.5 }, { batch_size: 32 }]) assert.ok(!sharesLoss(spec, { ...spec, ...other }));
});

test("a click toggles a class, a double click shows it alone, another all again", () => {
  const all = new Array(10).fill(true);
  assert.equal(afterClick(all, 2, false)[2], false);
  const alone = afterClick(all, 2, true);
  assert.deepEqual(alone.flatMap((v, k) => (v ? [k] : [])), [2]);
  assert.deepEqual(afterClick(alone, 2, true), all);
});

test("the form's request holds what was filled in", () => {
  const entries = [["variants", "v1.0", "checkbox"], ["epochs", "3", "number"], ["lr", "", "number"], ["name", " a ", "text"]];
  assert.deepEqual(requestOf(entries), { epochs: 3, name: "a", variant: "v1.0" });
  assert.deepEqual(requestOf([...entries, ["variants", "v1.1", "checkbox"]]).variants, ["v1.0", "v1.1"]);
});

test("several numbers in a field are a list or a range", () => {
  assert.deepEqual(numbersOf("0.5"), 0.5);
  assert.deepEqual(numbersOf("1, 2,3"), [1, 2, 3]);
  assert.deepEqual(numbersOf("1..5"), { from: 1, to: 5, step: 1 });
  assert.deepEqual(numbersOf("0.1..0.5 step 0.2"), { from: 0.1, to: 0.5, step: 0.2 });
  for (const text of ["many", "1,,2", "1..", "..3", "1..x"]) assert.equal(numbersOf(text), text);
  assert.equal(startLabel({ variant: "v1.0", epochs: 3 }), "Start run");
  assert.equal(startLabel({ variants: ["v1.0", "v1.1"] }), "Start comparison");
  assert.equal(startLabel({ variants: ["v1.0", "v1.1"], seed: [1, 2] }), "Start sweep");
  assert.match(planned({ count: 15, estimated_seconds: 540, basis: "by the speed of 3 finished runs" }), /^15 runs, about 9 min by/);
  assert.match(planned({ count: 1, estimated_seconds: null, basis: "unknown: none has finished" }), /^1 run, time unknown/);
});

test("an axis fits its values", () => {
  const places = (values) => values.map(axisOf(values).place);
  assert.deepEqual(places([1, 2, 5]), [0, 0.25, 1]);
  assert.deepEqual([axisOf([0.1, 1, 10]).kind, places([0.1, 1, 10]).map((p) => Number(p.toFixed(6)))], ["log", [0, 0.5, 1]]);
  assert.deepEqual(places(["v1.1", "v1.0", null]), [1, 0, null]);
  assert.deepEqual(places([3, 3]), [0.5, 0.5]);
  assert.deepEqual(axisOf([]).ticks, []);
  const columns = fieldColumns({ varied: ["seed"], runs: [{ settings: { seed: 4 }, last: { train_loss: 2 } }] }, ["test_accuracy", "train_loss"]);
  assert.deepEqual(columns.map((c) => [c.name, c.value({ settings: { seed: 4 }, last: { train_loss: 2 } })]), [["seed", 4], ["train_loss", 2]]);
});

test("a brush keeps the runs that pass through all of them", () => {
  const places = new Map([["a", [0.1, 0.9]], ["b", [0.5, 0.5]], ["c", [0.9, null]]]);
  assert.equal(within(places, {}), null);
  assert.deepEqual([...within(places, { 0: [0, 0.6] })], ["a", "b"]);
  assert.deepEqual([...within(places, { 0: [0, 1], 1: [0.4, 0.6] })], ["b"]);
});

test("as many groups as a page may have look different", () => {
  assert.equal(new Set(Array.from({ length: 100 }, (_, i) => glyphOf(i))).size, 100);
});

test("what can't be started is said by its field", () => {
  assert.equal(refused({ field: "seed", expected: "fewer values" }), "seed: expected fewer values.");
  assert.equal(refused({ detail: "The queue is full." }), "The queue is full.");
});

test("groups are drawn as bands or run by run", () => {
  const grouped = {
    groups: [{ runs: ["a", "b"], curve: [{ epoch: 1, mean: 2, min: 1, max: 3, interval: [0, 4] }, { epoch: 2, mean: 5, min: 5, max: 5, interval: null }] }],
    runs: [{ id: "a", curve: [[1, 1], [2, 5]] }, { id: "b", curve: [[1, 3]] }],
  };
  assert.deepEqual(curvesOf(grouped, "band").data, [[1, 2], [0, null], [4, null], [2, 5]]);
  assert.deepEqual(curvesOf(grouped, "range").data, [[1, 2], [1, 5], [3, 5], [2, 5]]);
  assert.deepEqual(curvesOf(grouped, "range").bands, [[2, 1]]);
  assert.deepEqual(curvesOf(grouped, "lines").data, [[1, 2], [1, 5], [3, null]]);
});

test("small ones", () => {
  assert.deepEqual([shade(0, 0), shade(1, 1000), shade(10, 10)], [0, 1, 10]);
  assert.equal(rgba(parseHex(" #0a14ff"), 0.5), "rgba(10,20,255,0.5)");
});

test("a table is quoted where it must be, and a name is no formula", () => {
  assert.equal(toCsv([["a,b", 'say "x"', "=1+1"], [1.5, NaN, null]]), '"a,b","say ""x""",\'=1+1\r\n1.5,,\r\n');
});

test("a drawing as SVG says what a canvas would show", () => {
  const context = new SvgContext();
  context.fillStyle = "rgba(1,2,3,0.5)";
  context.translate(10, 0);
  context.beginPath();
  context.moveTo(0, 0);
  context.lineTo(1.005, 2);
  context.closePath();
  context.fill();
  context.font = "700 11px 'A', sans-serif";
  context.textAlign = "center";
  context.fillText("<&>", 1, 2);
  assert.equal(
    context.text,
    '<path d="M10 0L11.01 2z" fill="rgb(1,2,3)" fill-opacity="0.5"/>\n' +
      `<text x="11" y="2" font-family="'A', sans-serif" font-size="11" font-weight="700" text-anchor="middle" dominant-baseline="auto" fill="rgb(1,2,3)" fill-opacity="0.5">&lt;&amp;&gt;</text>`,
  );
  const frame = { x: [1, 2, NaN], y: [0, 1, 0], labels: [0, 1, 0], order: [2, 1, 0], visible: [true, false], selected: null, colours: [[9, 8, 7], [0, 0, 0]], radius: 1.5, alpha: 0.7, k: 10, ox: 0, oy: 50 };
  assert.equal(pointsAsSvg(frame), '<path d="M10 50h0" fill="none" stroke="rgb(9,8,7)" stroke-opacity="0.7" stroke-width="3" stroke-linecap="round"/>');
});

test("still pictures become one animation, frame by frame", () => {
  const still = (...content) => {
    const length = content.length;
    const file = [..."RIFF"].map((c) => c.charCodeAt(0)).concat([4 + 8 + length, 0, 0, 0], [..."WEBPVP8 "].map((c) => c.charCodeAt(0)), [length, 0, 0, 0], content);
    return Uint8Array.from(length % 2 ? [...file, 0] : file);
  };
  const out = animatedWebp([{ file: still(1, 2, 3), ms: 500 }, { file: still(4, 5), ms: 2000 }], 300, 2);
  const view = new DataView(out.buffer);
  const name = (at) => String.fromCharCode(...out.subarray(at, at + 4));
  assert.deepEqual([name(0), view.getUint32(4, true), name(8), name(12)], ["RIFF", out.length - 8, "WEBP", "VP8X"]);
  assert.deepEqual([...out.subarray(20, 30)], [2, 0, 0, 0, 43, 1, 0, 1, 0, 0]);
  const first = 12 + 18 + 14;
  assert.deepEqual([name(first), view.getUint32(first + 4, true), view.getUint16(first + 20, true), name(first + 24)], ["ANMF", 16 + 12, 500, "VP8 "]);
  assert.equal(name(first + 8 + 28), "ANMF");
  assert.throws(() => animatedWebp([{ file: new Uint8Array(40), ms: 1 }], 1, 1), /no WebP/);
});

test("files to take away are named plainly, and an animation has a bounded number of frames", () => {
  assert.equal(fileName(["V1.0", "V 1/../1", "epoch", 3], "png"), "centerscope-v1.0-v-1-..-1-epoch-3.png");
  assert.deepEqual(framesOf(5), [1, 2, 3, 4, 5]);
  assert.deepEqual(framesOf(10, 4), [2, 5, 7, 10]);
  assert.deepEqual([1, 2, 3, 4, 6].map(columnsOf), [1, 2, 3, 2, 3]);
});

test("percentiles are values that occurred", () => {
  assert.deepEqual([percentile([], 0.5), percentile([7], 0.99), percentile([3, 1, 2, 4], 0.5), percentile([3, 1, 2, 4], 0.99)], [NaN, 7, 2, 4]);
});

test("a plot as a table says where each class lies and how it is recognised", () => {
  const pairs = Array.from({ length: 10 }, (_, k) => [k, -k]);
  const confusion = pairs.map((_, k) => pairs.map((_, j) => (j === k ? 3 : j === 0 ? 1 : 0)));
  const { caption, rows, exact } = classFigures({ name: "a" }, { report: { epoch: 2, confusion, geometry: { means: pairs, centers: pairs } } });
  assert.equal(caption, "a, epoch 2");
  assert.deepEqual(exact.columns.map((column) => column[2]), [2, 4, 3, 2, -2, 2, -2], "as a file, one plain number a cell");
  assert.equal(exact.head.length, exact.columns.length);
  assert.deepEqual(rows[2], ["2", "4", "75.0\u202f%", "2.00, −2.00", "2.00, −2.00"]);
  assert.deepEqual(classFigures({ name: "a" }, null).rows, []);
});

test("the run that sees other images than the rest, or than the one before it, is refused", () => {
  const [mnist, own] = [{ digest: "aa", name: "MNIST" }, { digest: "bb", name: "generated digits" }];
  const [waiting, late, early] = [{ data: null }, { data: own, started_ms: 9 }, { data: mnist, started_ms: 4 }];
  assert.equal(commonData([waiting]), null);
  assert.equal(commonData([waiting, late, early]), mnist, "the order of the plots decides nothing");
  assert.equal(commonData([early, late, late]), own);
  assert.deepEqual([refusal(mnist, mnist), refusal(null, mnist)], ["", ""]);
  assert.ok(refusal(own, mnist).startsWith("This run sees other images (generated digits) than those beside it (MNIST)"));
});

test("labels are asked for and kept by the digest of the images, since other images may have the same word", async () => {
  const asked = [];
  const store = new EmbeddingStore(async (address) => new Uint8Array([asked.push(address)]).buffer);
  const [fashion, letters] = ["aa", "bb"].map((digest) => ({ set: "mnist", digest }));
  await Promise.all([fashion, letters, fashion].map((data) => store.labels(data, "test")));
  assert.deepEqual(asked, ["/data/mnist/labels/test?digest=aa", "/data/mnist/labels/test?digest=bb"]);
  assert.deepEqual([fashion, letters].map((data) => [...store.peekLabels(data, "test")]), [[1], [2]]);
});

test("a page out of sight holds no connection, and goes on from where it was when it is seen again", () => {
  const opened = [];
  const heard = [];
  const listeners = {};
  const listen = (name, act) => (listeners[name] = act);
  class Source {
    constructor(url) {
      Object.assign(this, { url, open: true });
      opened.push(this);
    }
    addEventListener() {}
    close() {
      this.open = false;
    }
    send(id) {
      if (this.open) this.onmessage({ data: "{}", lastEventId: id });
    }
  }
  const replaced = { EventSource: Source, addEventListener: listen, document: { hidden: false, addEventListener: listen } };
  const before = Object.keys(replaced).map((name) => [name, globalThis[name]]);
  Object.assign(globalThis, replaced);
  const show = (hidden) => {
    document.hidden = hidden;
    listeners.visibilitychange();
  };
  let position = 0;
  try {
    follow(() => `/events?after=${position}`, { event: (_, id) => heard.push((position = id)), status() {} });
    opened[0].send(1);
    show(true);
    assert.equal(opened[0].open, false);
    opened[0].send(2);
    show(false);
    assert.deepEqual(opened.map((source) => source.url), ["/events?after=0", "/events?after=1"]);
    opened[1].send(2);
    assert.deepEqual(heard, [1, 2]);
  } finally {
    for (const [name, value] of before) globalThis[name] = value;
  }
});

test("a sweep's tables are told anew from its numbers, as the server's page has them", () => {
  const sample = (n, mean, sd) => ({ n, mean, sd });
  const group = {
    runs: ["a", "b", "c"],
    total: 3,
    drawn: 3,
    finished: {
      test_accuracy: { last: sample(2, 0.975, 0.001), best: sample(2, 0.98, 0.002) },
      train_loss: { last: sample(1, 0.5, null), best: sample(1, 0.4, null) },
    },
  };
  const cells = groupCells(group, ["test_accuracy", "train_loss", "test_loss"], "test_accuracy");
  assert.deepEqual(cells.map((cell) => cell.replaceAll("\u202f", " ")), ["2 of 3", "97.50 % ± 0.10 %", "0.5000", "–", "98.00 % ± 0.20 %"]);
  assert.equal(groupCells({ runs: [], total: 1234, finished: {} }, [], "train_loss")[0].replaceAll("\u202f", " "), "0 of 1 234");
  assert.equal(standing({ KILLED: 1, FINISHED: 2, SCHEDULED: 1 }), "2 finished, 1 waiting, 1 stopped");
  const page = { runs: [{ id: "a" }, { id: "b" }], varied: ["seed"] };
  assert.notEqual(layout({ ...page, varied: ["seed", "data"] }), layout(page), "a column more");
  assert.notEqual(layout({ ...page, runs: [{ id: "a" }] }), layout(page), "a row less");
  assert.deepEqual([fewer({ n: 2 }, group), fewer({ n: 3 }, group), fewer(undefined, group)], [" of 2 of 3", null, null], "where a mean is of fewer runs it says so");
});
