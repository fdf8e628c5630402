// Selections, the clock, what changed, and the addresses that keep them: `node --test tests/js/`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeState, encodeState, usualState, viewOf } from "../../static/js/address.js";
import { Clock } from "../../static/js/clock.js";
import { momentOf } from "../../static/js/moments.js";
import { Selection } from "../../static/js/selection.js";
import { countLabels, measureOn, toCsv } from "../../static/js/selection-panel.js";
import { columnsInSight } from "../../static/js/strip.js";
import { momentAt } from "../../static/js/transport.js";
import { decodeRule, describeRule, encodeRule } from "../../static/js/rule-words.js";
import { countChanges } from "../../static/js/changes.js";
import { anything, evaluate, insideOutline, tidyOutline } from "../../static/js/rules.js";

const LABELS = [0, 1, 2, 3, 4, 5];
const GUESSES = [
  { now: [0, 1, 9, 9, 4, 9], before: [9, 1, 2, 9, 4, 9] },
  { now: [0, 9, 9, 3, 4], before: [0, 1, 9, 9, 4] },
];
const pick = (patch) => evaluate({ ...anything(2, 3), ...patch }, { n: 6, labels: LABELS, guesses: GUESSES });

test("a rule selects what it says", () => {
  assert.deepEqual(pick({}), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(pick({ label: 2 }), [2]);
  assert.deepEqual(pick({ runs: ["wrong", "right"] }), [3]);
  assert.deepEqual(pick({ runs: ["9", ""] }), [2, 3, 5]);
  assert.deepEqual(pick({ runs: ["gained", ""] }), [0]);
  assert.deepEqual(pick({ runs: ["lost", ""] }), [2]);
  assert.deepEqual(pick({ runs: ["", "gained"] }), [3]);
  assert.deepEqual(pick({ disagree: true }), [1, 3, 5]);
  assert.deepEqual(pick({ runs: ["wrong", ""], not: true }), [0, 1, 4]);
  assert.deepEqual(pick({ runs: ["wrong", ""], not: true, hidden: [0, 9] }), [1, 4], "the others that are shown");
  assert.deepEqual(pick({ runs: ["wrong", ""], hidden: [2] }), [2, 3, 5]);
  assert.deepEqual(pick({ area: { indices: [1, 3, 5], outline: null }, runs: ["wrong", ""] }), [3, 5]);
  // The second run has not seen the last image.
  assert.deepEqual(pick({ runs: ["", "wrong"] }), [1, 2]);
});

test("before the first epoch nothing was right or wrong, so nothing is newly so", () => {
  const guesses = [{ now: [0, 9], before: [] }];
  for (const word of ["gained", "lost"])
    assert.deepEqual(evaluate({ ...anything(1, 1), runs: [word] }, { n: 2, labels: [0, 1], guesses }), []);
});

test("what changed is what the rules for it select", () => {
  assert.deepEqual(countChanges(GUESSES[0].before, GUESSES[0].now, LABELS), { gained: 1, lost: 1 });
});

test("an address keeps a rule", () => {
  const rules = [
    { ...anything(2, 7), label: 7, runs: ["wrong", "right"] },
    { ...anything(2, 1), runs: ["", "0"], disagree: true, not: true },
    { ...anything(2, 12), runs: ["gained", "lost"], area: { indices: [0, 4, 59_999], outline: null } },
    { ...anything(2, 2), area: { indices: [], outline: null }, not: true },
    { ...anything(2, 8), label: 4, not: true, hidden: [3, 0] },
  ];
  for (const rule of rules) assert.deepEqual(decodeRule(encodeRule(rule), 2), rule, encodeRule(rule));
  assert.equal(encodeRule(rules[0]), "d7_w0_r1_e7");
  for (const wrong of ["", "d7", "d12_e1", "w2_e1", "p5_e1", "q_e1", "e0", "i1.-4_e1", "o0.1.0.*.1.2_e1", "o0.1.x.*.1.2.3.4.5.6_e1", "e9999999"])
    assert.equal(decodeRule(wrong, 2), null, wrong);
});

test("an outline in an address holds exactly the images that it held when it was drawn", () => {
  const n = 4000;
  const x = Float32Array.from({ length: n }, (_, i) => 30 * Math.sin(i * 12.9898));
  const y = Float32Array.from({ length: n }, (_, i) => 30 * Math.cos(i * 78.233));
  const labels = Uint8Array.from({ length: n }, (_, i) => i % 10);
  const drawn = Array.from({ length: 300 }, (_, k) => [3 + 17.3 * Math.cos(k / 47), -2 + 11.1 * Math.sin(k / 47)]);
  for (const pixel of [0.137, 0.01, 1.7]) {
    const outline = { run: 1, epoch: 5, polygon: tidyOutline(drawn, pixel), hidden: [2, 7] };
    const indices = insideOutline(outline, { x, y, labels });
    const word = encodeRule({ ...anything(2, 5), area: { indices, outline } });
    const { area } = decodeRule(word, 2);
    if (indices.length <= 200) {
      assert.deepEqual(area.indices, indices);
      continue;
    }
    assert.ok(word.length < 1200 && /^[-.*_0-9a-z]+$/.test(word), word);
    assert.deepEqual(area.outline, outline);
    assert.deepEqual(insideOutline(area.outline, { x, y, labels }), indices);
  }
});

test("a box keeps its corners", () => {
  assert.equal(tidyOutline([[0, 0], [1, 0], [1, 1], [0, 1]], 1).length, 4);
});

test("a rule reads as a sentence", () => {
  const rule = { ...anything(2, 4), label: 7, runs: ["wrong", "3"] };
  assert.equal(describeRule(rule, ["V1.0", "V1.1"]), "labelled 7, wrong in V1.0, taken for 3 by V1.1 after epoch 4");
  assert.equal(describeRule({ ...anything(2, 4), label: 7, not: true }, ["a", "b"]), "all but: labelled 7");
  assert.equal(describeRule({ ...anything(2, 4), label: 7, not: true, hidden: [3, 5] }, ["a", "b"]), "all but: labelled 7 and the hidden classes (3, 5)");
});

test("an address restores what it was made from, and nonsense is ignored", () => {
  const views = [{ cx: 1.25, cy: -3.5, units: 12 }, null, { cx: 0, cy: 0, units: 0.004 }];
  const visible = Array.from({ length: 10 }, (_, k) => k !== 3);
  const state = { ...usualState(), epoch: 4, split: "train", scale: "shared", tool: "box", visible, centers: false, regions: true, views, select: "d7_e4" };
  const query = encodeState("?runs=a,b", state);
  assert.equal(query, "runs=a,b&epoch=4&split=train&scale=shared&tool=box&hide=3&centers=0&regions=1&view=1.25_-3.5_12**0_0_0.004&select=d7_e4");
  assert.deepEqual(decodeState(query), state);
  assert.equal(encodeState("?runs=a,b&tool=lasso&view=1_1_1", usualState()), "runs=a,b");
  assert.deepEqual(decodeState("?epoch=-1&split=x&hide=a.b&regions=7&tool=saw&view=1_2&over=7"), { ...usualState(), views: [null] });
  const aligned = { ...usualState(), scale: "aligned", reference: 2, trails: true };
  assert.equal(encodeState("", aligned), "scale=aligned&over=3&trails=1");
  assert.deepEqual(decodeState("scale=aligned&over=3&trails=1"), aligned);
  const alike = decodeState(encodeState("", { ...usualState(), views: [views[0], { ...views[0] }, { ...views[0] }] }));
  assert.deepEqual([viewOf(alike.views, 0), viewOf(alike.views, 2)], [views[0], views[0]]);
  assert.deepEqual([viewOf([null, views[0]], 1), viewOf([null, views[0]], 2)], [views[0], null]);
});

test("a run stands between the epochs that are done, and no further than its last", () => {
  const run = { history: [{ epoch: 1 }, { epoch: 2 }, { epoch: 4 }] };
  assert.deepEqual(momentOf(run, 2.5), { from: run.history[1], to: run.history[2], t: 0.25 });
  assert.deepEqual(momentOf(run, 2), { from: run.history[1], to: null, t: 0 });
  assert.deepEqual(momentOf(run, 9.5), { from: run.history[2], to: null, t: 0 });
  assert.equal(momentOf(run, 0), null);
  assert.deepEqual([momentAt(0, 8), momentAt(0.5, 8), momentAt(2, 8)], [1, 4, 8]);
});

test("the clock follows, drags between epochs, comes to rest at one, previews and comes back", () => {
  Object.assign(globalThis, { matchMedia: () => ({ matches: false }), cancelAnimationFrame: () => {} });
  let rests = 0;
  const clock = new Clock({ moved: () => {}, rested: () => rests++ });
  clock.newest = 5;
  assert.deepEqual([clock.at, clock.kept], [5, 0]);
  clock.seek(3.4, true);
  assert.deepEqual([clock.at, clock.epoch, clock.follow, rests], [3.4, 3, false, 0]);
  clock.settle();
  assert.deepEqual([clock.at, clock.kept, rests], [3, 3, 1]);
  clock.preview(9);
  assert.deepEqual([clock.at, clock.kept], [5, 3]);
  clock.preview(0);
  clock.step(-9);
  assert.deepEqual([clock.at, clock.epoch], [1, 1]);
  clock.followNewest();
  clock.newest = 6;
  assert.equal(clock.at, 6);
});

/** Points on a line; what lies to the right of 0 is taken for a 0, the rest for a 1. */
const points = (x) => ({ n: x.length, x, y: x.map(() => 0), guesses: x.map((x) => (x > 0 ? 0 : 1)) });
const shown = (x, labels) => ({
  epoch: 2,
  embedding: points(x),
  labels,
  report: { geometry: { centers: [[2, 0], [-2, 0]] } },
});

test("a selection is counted and judged, run by run", () => {
  const labels = [0, 1, 1];
  assert.deepEqual(countLabels([0, 2], labels).slice(0, 2), [1, 1]);
  assert.deepEqual(measureOn([0, 1, 2, 9], shown([1, -1, 3], labels)), { seen: 3, right: 2 / 3, distance: (1 + 1 + 5) / 3 });
  assert.ok(Number.isNaN(measureOn([9], shown([1, -1, 3], labels)).right));
  const csv = toCsv([1, 2], labels, [{ name: 'a "b", c', shown: shown([1, -1, 3], labels) }]);
  assert.equal(csv, 'index,label,"a ""b"", c epoch 2 prediction","a ""b"", c epoch 2 x","a ""b"", c epoch 2 y"\n1,1,1,-1,0\n2,1,0,3,0\n');
});

test("a strip of ten thousand needs as many elements as one of fifty", () => {
  const [from, to] = columnsInSight(100_000, 1300, 5000);
  assert.ok(to - from < 50 && from * 42 <= 100_000 && to * 42 >= 101_300);
  assert.deepEqual(columnsInSight(0, 1300, 3), [0, 3]);
});

test("a run that saw other images has no say in a selection", async () => {
  const { report } = shown([], []);
  const saw = (id, digest, n) => ({ id, data: { set: "s", digest, test_images: n }, history: [{ ...report, epoch: 1 }] });
  const runs = [saw("other", "z", 2000), saw("a", "y", 3), saw("b", "y", 3)];
  const selection = new Selection(runs, slowStore({ "other/1": points([-1, -1, -1]), "a/1": points([1, 1, -1]), "b/1": points([1, -1, -1]) }));
  const chosen = async (rule) => (await selection.choose({ ...anything(3, 1), ...rule }, "test")) && selection.indices;
  assert.deepEqual(await chosen({ label: 1, not: true }), [0], "no image beyond the third");
  assert.equal(selection.words, "1 of 3 test images selected");
  assert.deepEqual(await chosen({ disagree: true }), [1]);
  assert.deepEqual(await chosen({ runs: ["wrong", "", ""] }), [], "whatever is asked of it");
  const outline = { run: 0, epoch: 1, polygon: [[-2, -1], [2, -1], [2, 1], [-2, 1]], hidden: [] };
  assert.deepEqual(await chosen({ area: { indices: null, outline } }), []);
});

/** A store of embeddings that are not here until they are asked for. */
function slowStore(embeddings) {
  const here = new Map();
  return {
    peek: (run, epoch) => here.get(`${run}/${epoch}`),
    peekLabels: () => here.get("labels"),
    load: async (run, epoch) => here.set(`${run}/${epoch}`, embeddings[`${run}/${epoch}`]),
    labels: async () => here.set("labels", [0, 1, 1]),
  };
}

test("a rule that needs other epochs fetches them, and the latest choice wins", async () => {
  const { report } = shown([], []);
  const run = { id: "a", data: { set: "s", test_images: 3 }, history: [{ ...report, epoch: 1 }, { ...report, epoch: 2 }] };
  const selection = new Selection([run], slowStore({ "a/1": points([1, 1, -1]), "a/2": points([1, -1, 1]) }));
  const early = selection.choose({ ...anything(1, 2), label: 0 }, "test");
  const late = selection.choose({ ...anything(1, 2), runs: ["gained"] }, "test");
  assert.deepEqual(await Promise.all([early, late]), [false, true]);
  assert.deepEqual(selection.indices, [1]);
  const outline = { run: 0, epoch: 1, polygon: [[0.5, -1], [2, -1], [2, 1], [0.5, 1]], hidden: [] };
  selection.choose({ ...anything(1, 2), area: { indices: null, outline } }, "test");
  assert.deepEqual(selection.indices, [0, 1], "at once, since all is here");
  selection.choose(null, "test");
  assert.deepEqual([selection.rule, selection.indices], [null, []]);
});
