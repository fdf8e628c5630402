// The runs that a page shows, kept up to date: their states from the REST interface, then one stream of events for all.

import { get } from "./ahead.js";
import { applyEvent, hasEnded } from "./fold.js";
import { follow, streamUrl } from "./stream.js";

const MOST_RUNS = 16; // as many as one stream takes

export class LiveRuns {
  #runs = new Map();
  #listeners = [];
  #reopen = null;

  /** How many events of each type arrived, for tests. */
  received = {};
  /** "connecting", "live", "lost" or "ended". */
  status = "connecting";

  /** Loads the states of `ids` and follows those that have not ended. `onStatus(status, seconds)`. */
  async start(ids, onStatus) {
    await Promise.all([...new Set(ids)].slice(0, MOST_RUNS).map((id) => this.#load(id)));
    this.#tell(null, "loaded");
    this.#reopen = follow(() => streamUrl([...this.#runs.values()].filter((run) => !hasEnded(run.status))), {
      event: (event) => this.#receive(event),
      status: (status, seconds) => {
        this.status = status;
        onStatus(status, seconds);
      },
    });
  }

  async #load(id) {
    const response = await get(`/runs/${id}`);
    if (!response.ok) throw new Error(`run ${id} could not be loaded: the server answered ${response.status}`);
    this.#runs.set(id, await response.json());
  }

  #receive(event) {
    const run = this.#runs.get(event.run);
    if (!run) return;
    const what = applyEvent(run, event);
    if (what === "old") return;
    if (what === "gap") return void this.#catchUp(event.run);
    this.received[what] = (this.received[what] ?? 0) + 1;
    this.#tell(run, what);
  }

  /** Events are missing: the state holds them all. The object stays the same, since others hold it. */
  async #catchUp(id) {
    const run = this.#runs.get(id);
    try {
      await this.#load(id);
    } catch {
      return; // The stream breaks, too, then; it tries again.
    }
    this.#runs.set(id, Object.assign(run, this.#runs.get(id)));
    this.#tell(run, "loaded");
    this.#reopen?.();
  }

  #tell(run, what) {
    for (const listener of this.#listeners) listener(run, what);
  }

  /** `listener(run, what)`: what as in fold.js, or "loaded" (run null: all). */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  get(id) {
    return this.#runs.get(id);
  }
}
