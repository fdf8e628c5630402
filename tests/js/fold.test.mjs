// The pages' fold against the server's: the state after each line of one log, which server/src/state.rs is held to as well.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { applyEvent } from "../../static/js/fold.js";

const rows = readFileSync(new URL("../fixtures/fold.jsonl", import.meta.url), "utf8").trimEnd().split("\n").map(JSON.parse);

/** A state without what only lists need, and without what pages keep beside it. */
function common({ metrics, curves, reached, message, ...state }) {
  return { ...state, history: state.history.map(({ time_ms, ...report }) => report) };
}

test("a page and the server fold a log to the same states", () => {
  const run = structuredClone(rows[0].state);
  for (const { line, state } of rows.slice(1)) {
    assert.equal(applyEvent(run, { ...line, run: run.id }), line.type);
    assert.deepEqual(common(run), common(state), `after line ${line.seq}, ${line.type}`);
  }
});
