// A plot's canvases: one under the points, theirs, and one over them; their size, and who draws the points.

import { CpuRenderer } from "./scatter-cpu.js";
import { gpuRenderer } from "./gpu.js";

export class Canvases {
  size = { width: 0, height: 0, ratio: 1 }; // in CSS pixels, and device pixels of one
  renderer;
  #element;
  #canvases = {};
  #resized;

  /** `resized()` after they have another size, or another renderer: they are empty then. */
  constructor(element, resized) {
    this.#element = element;
    this.#resized = resized;
    for (const name of ["under", "points", "over"]) {
      const canvas = document.createElement("canvas");
      canvas.className = `layer layer-${name}`;
      canvas.setAttribute("aria-hidden", "true");
      element.append(canvas);
      this.#canvases[name] = canvas;
    }
    this.renderer = new CpuRenderer(this.#canvases.points);
    new ResizeObserver(() => this.#resize()).observe(element);
  }

  /** Once there are points on the screen, the GPU takes over where there is one. */
  async askForGpu() {
    const Renderer = await gpuRenderer();
    if (Renderer) this.#change((canvas) => new Renderer(canvas, () => this.#change((fresh) => new CpuRenderer(fresh))));
  }

  /** Goes on with another renderer. A canvas keeps its kind of context for life, so a new one is needed. */
  #change(make) {
    this.renderer.destroy();
    this.#freshen();
    try {
      this.renderer = make(this.#canvases.points);
    } catch {
      this.#freshen();
      this.renderer = new CpuRenderer(this.#canvases.points);
    }
    this.#resize();
  }

  #freshen() {
    const fresh = this.#canvases.points.cloneNode();
    this.#canvases.points.replaceWith(fresh);
    this.#canvases.points = fresh;
  }

  #resize() {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.#element;
    this.size = { width, height, ratio };
    for (const canvas of Object.values(this.#canvases)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.#resized();
  }

  /** The context of the layer "under" or "over" the points, in CSS pixels. */
  context(name) {
    const context = this.#canvases[name].getContext("2d");
    context.setTransform(this.size.ratio, 0, 0, this.size.ratio, 0, 0);
    return context;
  }
}
