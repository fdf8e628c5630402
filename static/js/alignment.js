// One run's plane laid over another's. The server computes the map (GET /compare/alignment); here it is fetched, kept and
// applied: to points, centers, means and the last layer alike, so that whatever is drawn from them follows.

import { coordinate } from "./format.js";

/** Points {x, y} after a map {matrix, scale, offset}. Pure. */
export function alignPoints({ matrix: [[a, b], [c, d]], scale, offset }, { x, y }) {
  const out = { x: new Float32Array(x.length), y: new Float32Array(x.length) };
  for (let i = 0; i < x.length; i++) {
    out.x[i] = scale * (a * x[i] + b * y[i]) + offset[0];
    out.y[i] = scale * (c * x[i] + d * y[i]) + offset[1];
  }
  return out;
}

/** One point [x, y] after a map. Pure. */
export function alignPoint({ matrix: [[a, b], [c, d]], scale, offset }, [x, y]) {
  return [scale * (a * x + b * y) + offset[0], scale * (c * x + d * y) + offset[1]];
}

const aligned = new WeakMap(); // embedding → {alignment, points}: the clock asks for them at every frame

/** The same, kept as long as the points are asked for with this map. */
export function alignedPoints(alignment, embedding) {
  const known = aligned.get(embedding);
  if (known?.alignment === alignment) return known.points;
  const points = alignPoints(alignment, embedding);
  aligned.set(embedding, { alignment, points });
  return points;
}

/** The point that a map takes to [x, y]. Pure. */
export function unalign({ matrix: [[a, b], [c, d]], scale, offset }, [x, y]) {
  const [u, v] = [(x - offset[0]) / scale, (y - offset[1]) / scale];
  return [a * u + c * v, b * u + d * v];
}

/** Centers, means and last layer after a map: a point's logits stay what they were. Pure. */
export function alignGeometry(alignment, { centers, means, weight, bias }) {
  const { matrix: [[a, b], [c, d]], scale, offset } = alignment;
  const turned = weight.map(([u, v]) => [(a * u + b * v) / scale, (c * u + d * v) / scale]);
  return {
    centers: centers.map((p) => alignPoint(alignment, p)),
    means: means.map((p) => alignPoint(alignment, p)),
    weight: turned,
    bias: bias.map((z, k) => z - turned[k][0] * offset[0] - turned[k][1] * offset[1]),
  };
}

/** A map in words: "mirrored, turned −34°, ×1.30, residual 0.12". Pure. */
export function describe({ mirrored, rotation_degrees: degrees, scale, residual }) {
  const turn = Math.round(degrees);
  const parts = [
    mirrored ? "mirrored" : "",
    turn ? `turned ${String(turn).replace("-", "−")}°` : "",
    Math.abs(scale - 1) >= 0.005 ? `×${coordinate(scale)}` : "",
    `residual ${coordinate(residual)}`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** Which axes a panel's plot has, by the choice of scale and the `reference` panel: axes of two networks are not comparable as such. Pure. */
export function axesNote(scale, panel, reference, alignment) {
  if (scale === "own") return "raw axes: each network has its own";
  if (scale === "shared") return "raw axes, one scale: each network has its own";
  if (panel === reference) return "raw axes, the others are laid over them";
  return alignment ? `laid over ${reference.label}: ${describe(alignment)}` : "raw axes: nothing to lay them over yet";
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
        for (const entry of (await response.json()).alignments) this.#kept.set(key(entry), entry.alignment);
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
