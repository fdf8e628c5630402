// The pure functions of the table of runs: cells, columns, addresses, completion, selection, edits, the rows in sight.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cellKey, cellText, placeOf, valueOf } from "../../static/js/cells.js";
import { MOST_WIDTH, USUAL, layOut, moved, nextSort, readAddress, readStored, widthOf, writeAddress } from "../../static/js/columns.js";
import { complete, tokensOf } from "../../static/js/completion.js";
import { whyNot } from "../../static/js/bulk.js";
import { commonTags, forEach, inverseOf, retagged, tagsFrom } from "../../static/js/edits.js";
import { withRecent } from "../../static/js/recent.js";
import { requestAgain } from "../../static/js/repeat.js";
import { RowPicks } from "../../static/js/row-picks.js";
import { RowSource, blocksOf } from "../../static/js/row-source.js";
import { windowOf } from "../../static/js/row-view.js";
import { linePath } from "../../static/js/sparkline.js";
import { summariesUrl } from "../../static/js/summaries.js";
import { Undoable } from "../../static/js/undo.js";

const field = (name, kind, more = {}) => ({ name, aliases: [], label: name, kind, values: [], unit: "", higher_is_better: null, help: "", path: name, ...more });
const FIELDS = [
  field("name", "text"),
  field("status", "word", { values: ["FINISHED", "FAILED"] }),
  field("test_accuracy", "number", { aliases: ["accuracy"], higher_is_better: true }),
  field("lr", "number", { path: "spec.lr" }),
  field("test_loss", "number", { path: "metrics.test_loss.last", higher_is_better: false }),
  field("tags", "tags", { aliases: ["tag"] }),
  field("started", "time", { path: "started_ms", aliases: ["started_ms"] }),
  field("duration", "number", { unit: "s", path: null }),
  field("loss_curve", "curve", { path: "curves.train_loss" }),
];
const named = (name) => FIELDS.find((f) => f.name === name);
const KNOWN = new Map(FIELDS.map((f) => [f.name, f]));
const RUN = { id: "a", name: "one", status: "FINISHED", test_accuracy: 0.98123, spec: { lr: 0.01 }, metrics: { test_loss: { last: 0.12345, best: 0.1 } }, tags: ["x", "y"], started_ms: 60_000, ended_ms: 150_000, curves: { train_loss: [2, 1] } };

test("a cell shows what a run says to a field, wherever it stands", () => {
  const text = (name, run = RUN) => cellText(named(name), run).replaceAll("\u202f", " ");
  assert.deepEqual(["name", "test_accuracy", "lr", "test_loss", "tags", "started", "duration"].map((name) => text(name)), ["one", "98.12 %", "0.01", "0.1235", "x, y", "1970-01-01 00:01", "1 min 30 s"]);
  assert.equal(valueOf(named("test_loss"), { metrics: {} }), null);
  assert.equal(text("test_accuracy", { test_accuracy: null }), "–");
  assert.equal(valueOf(named("duration"), { ...RUN, status: "RUNNING", ended_ms: null }, 90_000), 30);
  assert.equal(text("duration", { status: "SCHEDULED", started_ms: null }), "–");
  assert.notEqual(cellKey(named("loss_curve"), RUN), cellKey(named("loss_curve"), { curves: { train_loss: [2, 1, 0.5] } }));
});

test("a view and its address are the same thing", () => {
  const view = { query: 'tag = "a b" and x', sort: "-lr", columns: ["name", "lr"] };
  const address = writeAddress(view);
  assert.deepEqual(readAddress(address.slice(address.indexOf("?")), KNOWN), view);
  assert.equal(writeAddress({ query: "", sort: "", columns: USUAL }), "/runs");
  assert.deepEqual(readAddress("?columns=colour,lr", KNOWN), { query: "", sort: "", columns: ["lr"] });
  assert.equal(readAddress("?columns=colour", KNOWN).columns, null);
  assert.equal(readAddress("?sort=-accuracy", KNOWN).sort, "-test_accuracy", "by the name that the column has");
});

test("what was remembered is taken as far as it makes sense", () => {
  assert.deepEqual(readStored('{"columns":["lr","gone"],"widths":{"lr":9999,"gone":5,"name":"x"}}', KNOWN), { columns: ["lr"], widths: { lr: MOST_WIDTH } });
  for (const bad of ["", "null", "[]", '{"columns":7}']) assert.equal(readStored(bad, KNOWN).columns, null, bad);
});

test("the first click on a head shows the best, the second turns the order round", () => {
  assert.equal(nextSort(named("test_accuracy"), "-created"), "-test_accuracy");
  assert.equal(nextSort(named("test_accuracy"), "-test_accuracy"), "test_accuracy");
  assert.equal(nextSort(named("test_accuracy"), "test_accuracy"), "-test_accuracy");
  assert.equal(nextSort(named("test_loss"), ""), "test_loss");
  assert.equal(nextSort(named("name"), "name"), "-name");
});

test("columns fill the room: the name takes what is left", () => {
  const fields = [named("status"), named("name"), named("lr")];
  const [status, name, lr] = layOut(fields, { lr: 60 }, 1000);
  assert.deepEqual([status, lr, status + name + lr], [widthOf(named("status"), {}), 60, 1000]);
  assert.equal(layOut(fields, {}, 10)[1], widthOf(named("name"), {}), "and keeps its width where there is none");
  assert.deepEqual(moved(["a", "b", "c"], 0, 2), ["b", "c", "a"]);
  assert.deepEqual(moved(["a", "b", "c"], 2, -5), ["c", "a", "b"]);
});

test("a query is completed by what may follow", () => {
  const texts = (text, caret = text.length) => complete(text, caret, FIELDS, (name) => (name === "tags" ? ["paper", "a b"] : [])).items.map((item) => item.text);
  assert.deepEqual(texts("acc"), ["accuracy"]);
  assert.deepEqual(texts("accuracy "), [">", ">=", "<", "<=", "=", "!=", "in"]);
  assert.deepEqual(texts("status = "), ["FINISHED", "FAILED"]);
  assert.deepEqual(texts("status = fai"), ["FAILED"]);
  assert.deepEqual(texts("status = FAILED"), [], "nothing is missing");
  assert.deepEqual(texts("tag = "), ["paper", '"a b"']);
  assert.deepEqual(texts('tag = "a'), ['"a b"']);
  assert.deepEqual(texts("status in (FAILED, "), ["FINISHED", "FAILED"]);
  assert.deepEqual(texts("status in "), ["("]);
  assert.deepEqual(texts("status = FAILED ").slice(0, 2), ["and", "or"]);
  assert.deepEqual(texts("lr > 1 and st").slice(0, 2), ["status", "started"]);
  assert.ok(!texts("").includes("loss_curve"));
  assert.deepEqual(texts("acc > 1 and lr > 2", 3), ["accuracy"], "where the caret is");
  const { from, to } = complete("lr > 1 and st", 13, FIELDS);
  assert.deepEqual([from, to], [11, 13]);
  assert.deepEqual(tokensOf("a>=1 and b~'c d'").map((token) => token.text), ["a", ">=", "1", "and", "b", "~", "'c d'"]);
});

test("a range reaches from the row picked last", () => {
  const picks = new RowPicks();
  picks.toggle("c", 2);
  assert.deepEqual(picks.reach(5), [2, 5]);
  assert.deepEqual(picks.reach(0), [0, 2]);
  picks.range(["a", "b", "c"]);
  picks.toggle("b", 1);
  assert.deepEqual([...picks.ids], ["c", "a"]);
  picks.forget(["c", "zzz"]);
  assert.deepEqual([...picks.ids], ["a"]);
  picks.clear();
  assert.deepEqual([picks.ids.size, picks.reach(4)], [0, [4, 4]]);
});

test("only the rows in sight are there, and only their blocks are loaded", () => {
  assert.deepEqual(windowOf(0, 360, 36, 10_000, 2), [0, 12]);
  assert.deepEqual(windowOf(36_000, 360, 36, 10_000, 2), [998, 1012]);
  assert.deepEqual(windowOf(1e9, 360, 36, 10, 2), [10, 10]);
  assert.deepEqual(windowOf(0, 360, 36, 0), [0, 0]);
  assert.deepEqual(blocksOf(0, 1), [0]);
  assert.deepEqual(blocksOf(95, 205), [0, 1, 2]);
  assert.deepEqual(blocksOf(100, 200), [1]);
});

test("a run that trains beyond the rows loaded is news once, and again when it ends", () => {
  const source = new RowSource({ query: "status = FINISHED", sort: "" });
  const told = (run, from = source) => from.take({ seq: 1, ...run });
  const run = { id: "a", status: "RUNNING", archived: false };
  assert.deepEqual([told(run), told({ ...run, step: 1 }), told({ ...run, step: 2 })], [true, false, false]);
  const reloaded = new RowSource({ query: "status = FINISHED", sort: "" }, source);
  assert.equal(told({ ...run, step: 3 }, reloaded), false, "what was heard is kept over a reload");
  assert.deepEqual([told({ ...run, status: "FINISHED" }, reloaded), told({ ...run, status: "FINISHED", archived: true }, reloaded)], [true, true]);
  reloaded.forget(["a"]);
  assert.equal(told(run, reloaded), true, "a run that comes back from the trash is new");
});

test("what was on its way while a run changed does not take the change back", async () => {
  const source = new RowSource({ query: "", sort: "" });
  const named = (name, seq) => ({ id: "a", name, seq, status: "FINISHED", archived: false });
  const tell = (run) => [source.take(run), source.byId("a").name];
  assert.deepEqual(tell(named("one", 7)), [true, "one"]);
  assert.deepEqual(tell(named("two", 8)), [false, "two"]);
  assert.deepEqual(tell(named("one", 9)), [false, "one"], "undone");
  assert.deepEqual(tell(named("two", 8)), [false, "one"], "the stream's word of the edit comes after the answer to the undo");
  assert.deepEqual(tell({ ...named("two", 8), status: "RUNNING" }), [false, "one"], "and what is old is no news");
  const late = { runs: [named("two", 8)], total: 1, position: "1.1" };
  globalThis.fetch = async () => ({ ok: true, json: async () => late });
  await source.load(0, 1);
  assert.deepEqual([source.at(0).name, (await source.runs(["a"]))[0].name], ["one", "one"], "so are rows that were asked for before");
});

test("columns that nobody chose fit a laptop's window", () => {
  const wide = (name) => widthOf(field(name, { started: "time", tags: "tags", accuracy_curve: "curve", loss_curve: "curve", train_loss: "number" }[name] ?? "text"), {});
  assert.ok(40 + USUAL.map(wide).reduce((a, b) => a + b, 0) <= 1440 - 2 * 20 - 2 - 12, "margins, edges and the bar at the side");
});

test("the bar says why a button is off", () => {
  assert.deepEqual([whyNot(2), whyNot(6)], ["", ""]);
  assert.match(whyNot(1), /several/);
  assert.equal(whyNot(7), "At most: Compare and Differences 6");
  assert.equal(whyNot(101), "At most: Group 100, Repeat 50, Compare and Differences 6");
});

test("a run is asked for again as it was, or with what is to be another", () => {
  const run = { name: "V1.0 seed 3", label: "V1.0", seed: 3, spec: { network: "deep", seed: 3, epochs: 8 } };
  assert.deepEqual(requestAgain(run), { network: "deep", seed: 3, epochs: 8 }, "its name is made anew");
  assert.deepEqual(requestAgain({ ...run, name: "mine" }, { seed: 5 }), { network: "deep", seed: 5, epochs: 8, name: "mine" });
});

test("the filters used last are offered, each once and a bounded number", () => {
  assert.deepEqual(withRecent(["a", "b"], "b"), ["b", "a"]);
  assert.deepEqual(withRecent(["a", "b"], "c", 2), ["c", "a"]);
  assert.deepEqual(withRecent(["a"], ""), ["a"], "no filter is none");
});

test("a row moves when what it is sorted by changes, and in a filtered list with what the filter may look at", () => {
  const accuracy = named("test_accuracy");
  const view = (field, query) => ({ query, sort: "", place: (run) => placeOf(field, query, run) });
  const before = { ...RUN, seq: 1, archived: false, epoch: 1, notes: "" };
  const moves = (view, change) => {
    const source = new RowSource(view);
    source.take(before);
    return source.moves({ ...before, seq: 2, ...change });
  };
  assert.equal(moves(view(accuracy, ""), { test_accuracy: 0.99 }), true);
  assert.equal(moves(view(accuracy, ""), { train_loss: 0.1, step: 7, epoch: 2 }), false, "nothing that matters there");
  assert.equal(moves(view(undefined, "accuracy > 98%"), { epoch: 2 }), true);
  assert.equal(moves(view(undefined, "tag = x"), { tags: [] }), true);
  assert.equal(moves(view(undefined, "accuracy > 98%"), { step: 7 }), false);
  assert.equal(moves(view(accuracy, ""), { test_accuracy: 0.99, seq: 0 }), false, "old news");
  assert.equal(new RowSource(view(accuracy, "")).moves(before), false, "a run that isn't known is no row");
});

test("an edit is taken back by its inverse", () => {
  assert.deepEqual(inverseOf(RUN, { name: "two", tags: [] }), { name: "one", tags: ["x", "y"] });
});

test("tags of many runs: what all have is edited, what only some have stays", () => {
  assert.deepEqual(tagsFrom(" a, B ,,b, A,c"), ["a", "B", "c"]);
  assert.deepEqual(commonTags([{ tags: ["a", "b"] }, { tags: ["b", "c"] }]), ["b"]);
  assert.deepEqual(commonTags([]), []);
  assert.deepEqual(retagged(["a", "b"], ["b"], ["d"]), ["a", "d"]);
  assert.deepEqual(retagged(["a", "b"], ["b"], ["b", "d"]), ["a", "b", "d"]);
});

test("work on many runs goes on where one fails", async () => {
  const done = [];
  const counted = [];
  const failed = await forEach([1, 2, 3, 4, 5, 6], async (n) => (n === 3 ? Promise.reject(new Error("no")) : done.push(n)), (count) => counted.push(count));
  assert.deepEqual(done.sort(), [1, 2, 4, 5, 6]);
  assert.deepEqual(failed.map(({ item, error }) => [item, error.message]), [[3, "no"]]);
  assert.equal(counted.at(-1), 6);
});

test("a course becomes a line from left to right, the smallest at the bottom", () => {
  assert.equal(linePath([1, 3, 2], 10, 10, 0), "M0.0 10.0L5.0 0.0L10.0 5.0");
  assert.equal(linePath([1, NaN, 1, 1], 9, 10, 0), "M0.0 5.0M6.0 5.0L9.0 5.0", "what is not finite is a gap");
  assert.equal(linePath([1]), "");
  assert.equal(linePath([]), "");
});

test("the stream of summaries goes on from a position", () => {
  assert.equal(summariesUrl("17.4"), "/events/summaries?after=17.4");
});

test("of two edits in a row the second is undone first, and each has its own ten seconds", () => {
  const timers = [];
  const done = new Undoable((work, ms) => timers.push([ms, work]));
  const told = [];
  const keep = (name) => done.keep(() => told.push(`undid ${name}`), () => told.push(`${name} gone`));
  keep("a");
  const takeB = keep("b");
  keep("c");
  done.newest();
  takeB();
  takeB();
  assert.deepEqual(told.splice(0), ["c gone", "undid c", "b gone", "undid b"], "each once");
  done.newest();
  assert.deepEqual([told.splice(0), done.newest], [["a gone", "undid a"], undefined]);
  keep("d");
  for (const [ms, work] of timers) assert.equal((work(), ms), 10_000);
  assert.deepEqual([told, done.newest], [["d gone"], undefined], "what is past can't be undone, and what was undone is not past");
});
