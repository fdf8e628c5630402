// What is laid over the points and beside them: alignments, shading, trails, numbers of a run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Alignment } from "../../static/js/alignment.js";
import { axesNote } from "../../static/js/planes.js";
import { perturb } from "../../static/js/perturb.js";
import { probabilityPixels } from "../../static/js/scatter-shading.js";
import { trailOf } from "../../static/js/fold.js";
import { fading } from "../../static/js/scatter-trails.js";
import { numbersKey, valueOf, wordsOf } from "../../static/js/numbers.js";

const geometry = {
  centers: [[1, 0], [0, 2]],
  means: [[1, 1], [0, 1]],
  weight: [[1, 0.5], [-1, 2], [0.1, -3]],
  bias: [0.2, -0.4, 0.1],
};

test("an alignment moves points and regions together: no logit changes", () => {
  const angle = 0.7;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const alignment = new Alignment({ matrix: [[c, s], [s, -c]], scale: 2.5, offset: [3, -1], mirrored: true, rotation_degrees: -33.7, residual: 0.118 });
  const aligned = alignment.geometry(geometry);
  const x = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i) * 4);
  const y = Float32Array.from({ length: 50 }, (_, i) => Math.cos(3 * i) * 4);
  const moved = alignment.points({ x, y });
  const logits = ({ weight, bias }, x, y) => bias.map((b, k) => weight[k][0] * x + weight[k][1] * y + b);
  for (let i = 0; i < 50; i++) {
    const before = logits(geometry, x[i], y[i]);
    logits(aligned, moved.x[i], moved.y[i]).forEach((logit, k) => assert.ok(Math.abs(logit - before[k]) < 1e-5));
  }
  assert.deepEqual(aligned.centers[0], [2.5 * c + 3, 2.5 * s - 1]);
  const [back, up] = alignment.back(alignment.point([0.3, -7]));
  assert.ok(Math.abs(back - 0.3) < 1e-12 && Math.abs(up + 7) < 1e-12);
  assert.equal(alignment.words, "mirrored, turned −34°, ×2.50, residual 0.12");
  assert.equal(new Alignment({ mirrored: false, rotation_degrees: 0.2, scale: 1.001, residual: 0 }).words, "residual 0.00");
});

test("a plot says which axes it has", () => {
  const [own, other] = [{ label: "V1.0" }, { label: "V1.1" }];
  const map = new Alignment({ mirrored: false, rotation_degrees: -9, scale: 0.65, residual: 0.57 });
  assert.equal(axesNote("aligned", other, own, map), "laid over V1.0: turned −9°, ×0.65, residual 0.57");
  for (const [scale, panel, alignment] of [["own", other, null], ["shared", other, null], ["aligned", own, null], ["aligned", other, null]])
    assert.ok(axesNote(scale, panel, own, alignment).startsWith("raw axes"));
});

test("the shading is the winner's colour where one is certain, and clear where none is", () => {
  const colours = [[200, 0, 0], [0, 0, 200]];
  const layer = { weight: [[10, 0], [-10, 0]], bias: [0, 0] };
  const pixels = probabilityPixels(layer, colours, 3, 1, { x: -2, y: 0 }, 2);
  assert.deepEqual([...pixels.slice(0, 3)], [0, 0, 200]);
  assert.deepEqual([...pixels.slice(4, 8)], [100, 0, 100, 0], "halfway");
  assert.deepEqual([...pixels.slice(8, 11)], [200, 0, 0]);
  assert.ok(pixels[3] > 90 && pixels[3] === pixels[11]);
});

test("a trail is what came before the shown epoch, fainter the longer ago", () => {
  const history = Array.from({ length: 60 }, (_, i) => ({ epoch: i + 1, geometry: i + 1 }));
  assert.deepEqual(trailOf(history, 3), [1, 2]);
  assert.deepEqual(trailOf(history, 1), []);
  assert.deepEqual([trailOf(history, 60).length, trailOf(history, 60)[0]], [40, 20]);
  const alphas = fading(5);
  assert.ok(alphas.every((a, i) => i === 0 || a > alphas[i - 1]) && alphas[4] === 0.9);
  assert.deepEqual(fading(0), []);
});

test("a milestone is a fact of the run, a metric of an epoch", () => {
  const history = [0.9, 0.96, 0.94, 0.985].map((a, i) => ({ epoch: i + 1, metrics: { test_accuracy: a, epoch_seconds: 30 } }));
  const run = { history, status: "RUNNING", epochs: 8, epoch: 4 };
  assert.equal(valueOf({ name: "test_accuracy" }, run, history[2]), 0.94);
  assert.deepEqual([0.95, 0.98, 0.99].map((least) => valueOf({ name: "m", test_accuracy: least }, run, history[0])), [2, 4, NaN]);
  const fork = { ...run, fork: { run: "a", epoch: 1 } };
  assert.ok(Number.isNaN(valueOf({ name: "m", test_accuracy: 0.95 }, fork, history[0])), "its run may have got there before");
  assert.ok(Number.isNaN(valueOf({ name: "silhouette" }, run, null)));
  const words = (run, least) => wordsOf({ name: "epochs_to", test_accuracy: least }, run, history[3]);
  const over = { ...run, status: "FINISHED" };
  assert.deepEqual([words(over, 0.98), words(over, 0.99), words(run, 0.99), words(fork, 0.99)], ["4", "not reached", "not yet", ""]);
  assert.equal(words({ ...over, history: history.slice(3), reached: { epochs_to: 2 } }, 0.95), "2", "a replay lacks epochs");
  assert.notEqual(numbersKey([run], 2), numbersKey([run], 3));
  assert.notEqual(numbersKey([run], 2), numbersKey([{ ...run, status: "FINISHED" }], 2));
});

test("a test image that nothing is done to stays what it is; turned, moved and noisy it is another", () => {
  const image = Uint8Array.from({ length: 784 }, (_, i) => (i % 28 >= 10 && i % 28 < 14 && i >= 140 && i < 600 ? 200 + (i % 7) : 0));
  assert.deepEqual(perturb(image), image);
  const moved = perturb(image, { right: 3, down: -2 });
  for (let y = 0; y < 26; y++) for (let x = 3; x < 28; x++) assert.equal(moved[y * 28 + x], image[(y + 2) * 28 + x - 3]);
  // A quarter turn counter-clockwise takes the right end to the top.
  const dot = new Uint8Array(784);
  dot[13 * 28 + 25] = 255;
  const turned = perturb(dot, { degrees: 90 });
  assert.equal(turned.indexOf(Math.max(...turned)), 2 * 28 + 13);
  const noisy = perturb(image, { noise: 0.2, seed: 5 });
  assert.deepEqual(noisy, perturb(image, { noise: 0.2, seed: 5 }));
  assert.notDeepEqual(noisy, perturb(image, { noise: 0.2, seed: 6 }));
});
