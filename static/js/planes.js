// The planes of a comparison: each plot's own, all on one scale, or one run's with the others laid over it.

import { union } from "./geometry.js";

/** Which axes a panel's plot has, by the choice of scale and the `reference` panel: axes of two networks are not comparable as such. Pure. */
export function axesNote(scale, panel, reference, alignment) {
  if (scale === "own") return "raw axes: each network has its own";
  if (scale === "shared") return "raw axes, one scale: each network has its own";
  if (panel === reference) return "raw axes, the others are laid over them";
  return alignment ? `laid over ${reference.label}: ${alignment.words}` : "raw axes: nothing to lay them over yet";
}

export class Planes {
  #comparison;
  #alignments = null; // once they were needed
  #loading = null;

  constructor(comparison) {
    this.#comparison = comparison;
  }

  /** The panel whose plane the others are laid over: the chosen one, or the first where nobody sees that one's. */
  get reference() {
    const { panels, options } = this.#comparison;
    const shown = panels.filter((panel) => !panel.refused);
    const chosen = panels[options.reference];
    return shown.includes(chosen) ? chosen : shown[0];
  }

  /** What the plots' feeds want of it (see moments.js): null for raw planes, and as long as what lays them over each other isn't here. */
  get over() {
    if (this.#comparison.options.scale !== "aligned") return null;
    this.#loading ??= this.#load();
    return this.#alignments && { reference: this.reference.run, alignments: this.#alignments };
  }

  async #load() {
    const { runs } = this.#comparison;
    try {
      const { Alignments } = await import("./alignment.js");
      this.#alignments = new Alignments(runs.map((run) => run.id));
      this.#comparison.refresh();
    } catch {
      this.#loading = null;
    }
  }

  /** Says on a panel which axes it has. */
  name(panel) {
    const { runs, options } = this.#comparison;
    if (runs.length === 1) return;
    panel.nameAxes(panel.shown ? axesNote(options.scale, panel, this.reference, panel.shown.alignment) : "");
  }

  /** One box for all plots where they share their scale. */
  share() {
    const { panels, options } = this.#comparison;
    const shared = options.scale !== "own" ? union(panels.map((panel) => panel.scatter.box)) : null;
    for (const panel of panels) panel.scatter.setSharedBox(shared);
  }
}
