// The rows behind the table: loaded block by block as they come into sight, kept by place and by id.

const BLOCK = 100;
const MOST_NAMED = 500; // as many ids as one request takes

/** The blocks that cover the rows from `from` to before `to`. Pure. */
export function blocksOf(from, to, block = BLOCK) {
  const first = Math.floor(Math.max(0, from) / block);
  const last = Math.floor(Math.max(0, to - 1) / block);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Whether the rows have to be asked for anew: a run is new, gone from where it stood, or was put away or taken back. Pure. */
export function isNews(before, run) {
  return !before || before.status !== run.status || before.archived !== run.archived;
}

/** Whether `run` is as new as what is known of it, or newer: answers and the stream overtake each other. Pure. */
export function isAsNew(before, run) {
  return !before || run.seq >= before.seq;
}

/** A failed answer of the server: what its problem+json says. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? "the server did not say why");
    this.problem = problem;
  }
}

/** The JSON at an address, or {@link Refused}. */
export async function ask(url, options = {}) {
  const response = await fetch(url, { ...options, headers: { Accept: "application/json", ...options.headers } }).catch((error) => {
    // Each browser has its own words for a server that doesn't answer, none of them helpful.
    throw error.name === "AbortError" ? error : new Error("the server can't be reached");
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused({ status: response.status, ...body });
  return body;
}

export class RowSource {
  total = 0;
  #view;
  #ids = [];
  #rows = new Map();
  #blocks = new Map();
  #abort = new AbortController();

  /** `view`: {query, sort, place: what a run's place among the rows depends on, as a text}. Rows already known by id may be taken over from another source. */
  constructor(view, known = null) {
    this.#view = view;
    if (known) this.#rows = known.#rows;
  }

  #url(more) {
    const { query, sort } = this.#view;
    return `/runs?${new URLSearchParams({ ...(query && { query }), ...(sort && { sort }), ...more })}`;
  }

  /** The run of row `index`; undefined until it is loaded. */
  at(index) {
    return this.#rows.get(this.#ids[index]);
  }

  /** The row of a run; −1 where it isn't loaded. */
  indexOf(id) {
    return this.#ids.indexOf(id);
  }

  byId(id) {
    return this.#rows.get(id);
  }

  /** Loads what is missing of the rows from `from` to before `to`; true where something came. Throws {@link Refused}. */
  async load(from, to) {
    const missing = blocksOf(from, Math.max(to, from + 1)).filter((block) => !this.#blocks.has(block));
    for (const block of missing) this.#blocks.set(block, this.#loadBlock(block));
    await Promise.all(missing.map((block) => this.#blocks.get(block)));
    return missing.length > 0;
  }

  async #loadBlock(block) {
    try {
      const url = this.#url({ offset: String(block * BLOCK), limit: String(BLOCK) });
      const { runs, total, position } = await ask(url, { signal: this.#abort.signal });
      this.total = total;
      this.position = position;
      runs.forEach((run, i) => {
        this.#ids[block * BLOCK + i] = run.id;
        this.take(run);
      });
    } catch (error) {
      this.#blocks.delete(block);
      throw error;
    }
  }

  /** The ids of all rows, in order. */
  async ids() {
    return (await ask(this.#url({ format: "ids" }))).ids;
  }

  /** The runs of these ids; those that are gone are left out. */
  async runs(ids) {
    const missing = ids.filter((id) => !this.#rows.has(id));
    for (let i = 0; i < missing.length; i += MOST_NAMED) {
      const some = missing.slice(i, i + MOST_NAMED);
      const { runs } = await ask(`/runs?${new URLSearchParams({ ids: some.join(), limit: String(MOST_NAMED) })}`);
      for (const run of runs) this.take(run);
    }
    return ids.map((id) => this.#rows.get(id)).filter(Boolean);
  }

  /** Whether a summary that is about to be taken in may move its row. */
  moves(run) {
    const before = this.#rows.get(run.id);
    return Boolean(before) && isAsNew(before, run) && this.#view.place(before) !== this.#view.place(run);
  }

  /** Takes in a summary of a run, whether or not it has a row here; an older one than is known is left. True where it is news. */
  take(run) {
    const before = this.#rows.get(run.id);
    if (!isAsNew(before, run)) return false;
    this.#rows.set(run.id, run);
    return isNews(before, run);
  }

  /** Forgets runs that are gone: one that comes back is new. */
  forget(ids) {
    for (const id of ids) this.#rows.delete(id);
  }

  close() {
    this.#abort.abort();
  }
}
