// Embeddings and labels: the compact binary read (pure), fetched, and kept for a while. Old epochs' arrays are dropped
// when the store is full and fetched again when they are looked at, so memory stays flat however long a run is.

import { get } from "./ahead.js";

const MAGIC = 0x31455343; // "CSE1", little-endian
const NOT_FINITE = 65535;

/**
 * Reads the binary form: {n, x, y, guesses} with Float32Arrays, NaN where a point is not finite, and what the network takes each
 * image for: empty where that isn't told. Throws on anything else.
 */
export function parseEmbedding(buffer) {
  const view = new DataView(buffer);
  if (buffer.byteLength < 24 || view.getUint32(0, true) !== MAGIC) throw new Error("these are no embeddings");
  const n = view.getUint32(4, true);
  if (buffer.byteLength < 24 + 4 * n) throw new Error("these embeddings are cut short");
  const [xMin, xMax, yMin, yMax] = [8, 12, 16, 20].map((at) => view.getFloat32(at, true));
  const raw = new Uint16Array(buffer, 24, 2 * n);
  const x = new Float32Array(n);
  const y = new Float32Array(n);
  const dx = (xMax - xMin) / 65534;
  const dy = (yMax - yMin) / 65534;
  for (let i = 0; i < n; i++) {
    const qx = raw[2 * i];
    const qy = raw[2 * i + 1];
    const lost = qx === NOT_FINITE && qy === NOT_FINITE;
    x[i] = lost ? NaN : xMin + qx * dx;
    y[i] = lost ? NaN : yMin + qy * dy;
  }
  return { n, x, y, guesses: new Uint8Array(buffer.slice(24 + 4 * n, 24 + 5 * n)) };
}

/** A map that forgets what was used longest ago once its contents weigh more than `limit`. */
export class Lru {
  #entries = new Map();
  #limit;
  weight = 0;

  constructor(limit) {
    this.#limit = limit;
  }

  get(key) {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key, value, weight) {
    this.delete(key);
    this.#entries.set(key, { value, weight });
    this.weight += weight;
    for (const oldest of this.#entries.keys()) {
      if (this.weight <= this.#limit || this.#entries.size === 1) break;
      this.delete(oldest);
    }
  }

  delete(key) {
    const entry = this.#entries.get(key);
    if (entry) this.weight -= entry.weight;
    return this.#entries.delete(key);
  }

  get size() {
    return this.#entries.size;
  }
}

/**
 * Fetches and keeps the embeddings of every run on the page (24 MB of them) and the labels of its data sets. `read(address)`
 * gives the bytes of one of the server's binary answers: a page without a server brings its own.
 */
export class EmbeddingStore {
  #kept = new Lru(24e6);
  #under_way = new Map();
  #labels = new Map();
  #labelsHere = new Map();
  #read;

  constructor(read = fetchBuffer) {
    this.#read = read;
  }

  /** The embedding if it is here already, else undefined. */
  peek(run, epoch, split) {
    return this.#kept.get(`${run}/${epoch}/${split}`);
  }

  /** The embedding of a run after an epoch: see parseEmbedding. */
  load(run, epoch, split) {
    const key = `${run}/${epoch}/${split}`;
    const kept = this.#kept.get(key);
    if (kept) return Promise.resolve(kept);
    if (!this.#under_way.has(key)) {
      const work = this.#read(`/runs/${run}/embeddings/${epoch}?split=${split}${split === "test" ? "&predictions=1" : ""}`)
        .then((buffer) => {
          const embedding = parseEmbedding(buffer);
          this.#kept.set(key, embedding, 8 * embedding.n + embedding.guesses.length);
          return embedding;
        })
        .finally(() => this.#under_way.delete(key));
      this.#under_way.set(key, work);
    }
    return this.#under_way.get(key);
  }

  /** The labels of a run's `data` if they are here already, else undefined. */
  peekLabels(data, split) {
    return this.#labelsHere.get(`${data.digest}/${split}`);
  }

  /** One byte an image, 0–9. */
  labels(data, split) {
    const key = `${data.digest}/${split}`;
    if (!this.#labels.has(key)) {
      const work = this.#read(`/data/${data.set}/labels/${split}?digest=${data.digest}`).then((buffer) => new Uint8Array(buffer));
      work.then(
        (labels) => this.#labelsHere.set(key, labels),
        () => this.#labels.delete(key),
      );
      this.#labels.set(key, work);
    }
    return this.#labels.get(key);
  }

  /** How many embeddings are in memory, for tests. */
  get size() {
    return this.#kept.size;
  }
}

async function fetchBuffer(url) {
  const response = await get(url);
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? `${url} answered ${response.status}`);
  }
  return response.arrayBuffer();
}
