// One run's plane laid over another's. The server computes the map (GET /compare/alignment); here it is fetched, kept and
// applied: to points, centers, means and the last layer alike, so that whatever is drawn from them follows. Loaded when planes
// are first laid over each other.

import { coordinate } from "./format.js";

const aligned = new WeakMap(); // embedding → {alignment, points}: the clock asks for them at every frame

/** A map as the server tells it: {matrix, scale, offset, mirrored, rotation_degrees, residual}. Pure. */
export class Alignment {
  constructor(told) {
    Object.assign(this, told);
  }

  /** Where it takes a point [x, y]. */
  point([x, y]) {
    const { matrix: [[a, b], [c, d]], scale, offset } = this;
    return [scale * (a * x + b * y) + offset[0], scale * (c * x + d * y) + offset[1]];
  }

  /** The point that it takes to [x, y]. */
  back([x, y]) {
    const { matrix: [[a, b], [c, d]], scale, offset } = this;
    const [u, v] = [(x - offset[0]) / scale, (y - offset[1]) / scale];
    return [a * u + c * v, b * u + d * v];
  }

  /** Where it takes the points of an embedding {x, y}; kept as long as they are asked for with this map. */
  points(embedding) {
    const known = aligned.get(embedding);
    if (known?.alignment === this) return known.points;
    const { matrix: [[a, b], [c, d]], scale, offset } = this;
    const { x, y } = embedding;
    const points = { x: new Float32Array(x.length), y: new Float32Array(x.length) };
    for (let i = 0; i < x.length; i++) {
      points.x[i] = scale * (a * x[i] + b * y[i]) + offset[0];
      points.y[i] = scale * (c * x[i] + d * y[i]) + offset[1];
    }
    aligned.set(embedding, { alignment: this, points });
    return points;
  }

  /** Centers, means and last layer after it: a point's logits stay what they were. */
  geometry({ centers, means, weight, bias }) {
    const { matrix: [[a, b], [c, d]], scale, offset } = this;
    const turned = weight.map(([u, v]) => [(a * u + b * v) / scale, (c * u + d * v) / scale]);
    return {
      centers: centers.map((p) => this.point(p)),
      means: means.map((p) => this.point(p)),
      weight: turned,
      bias: bias.map((z, k) => z - turned[k][0] * offset[0] - turned[k][1] * offset[1]),
    };
  }

  /** "mirrored, turned −34°, ×1.30, residual 0.12" */
  get words() {
    const { mirrored, rotation_degrees: degrees, scale, residual } = this;
    const turn = Math.round(degrees);
    const parts = [
      mirrored ? "mirrored" : "",
      turn ? `turned ${String(turn).replace("-", "−")}°` : "",
      Math.abs(scale - 1) >= 0.005 ? `×${coordinate(scale)}` : "",
      `residual ${coordinate(residual)}`,
    ];
    return parts.filter(Boolean).join(", ");
  }
}

/** Fetches and keeps the maps between the runs of a page. */
export class Alignments {
  #kept = new Map();
  #underWay = new Map();
  #ids;

  constructor(ids) {
    this.#ids = ids;
  }

  /** The map if it is here, null where there is none, undefined where that is not known yet. */
  peek(run, epoch, reference, referenceEpoch) {
    return this.#kept.get(`${run}/${epoch}/${reference}/${referenceEpoch}`);
  }

  /**
   * The map of `run` at its `epoch` over `reference` at its `referenceEpoch`, null where there is none. The first question
   * about a reference fetches every epoch there is, so that scrubbing waits for nothing.
   */
  async load(run, epoch, reference, referenceEpoch) {
    const key = (r) => `${r.run}/${r.epoch}/${reference}/${r.reference_epoch}`;
    const wanted = key({ run, epoch, reference_epoch: referenceEpoch });
    const later = Math.max(epoch, referenceEpoch);
    const known = this.#underWay.has(reference);
    if (known && !this.#kept.has(wanted)) await this.#underWay.get(reference);
    if (!this.#kept.has(wanted)) {
      const url = `/compare/alignment?runs=${this.#ids.join(",")}&reference=${reference}${known ? `&epoch=${later}` : ""}`;
      const work = fetch(url).then(async (response) => {
        if (!response.ok) throw new Error(`the alignment could not be loaded: the server answered ${response.status}`);
        for (const entry of (await response.json()).alignments) this.#kept.set(key(entry), entry.alignment && new Alignment(entry.alignment));
      });
      this.#underWay.set(reference, work);
      work.catch(() => this.#underWay.delete(reference));
      await work;
      // The reference went on meanwhile, and the page will hear of it: nothing to ask for again.
      if (!this.#kept.has(wanted)) this.#kept.set(wanted, null);
    }
    return this.#kept.get(wanted);
  }
}
