// A square to draw on with mouse, finger or pen: white ink on black, as the images are.

const SIDE = 336; // pixels of the canvas
const PEN = 26;
const TOLD = 112; // pixels a side of what is told: enough for the server to scale from, little to send

export class SketchPad {
  #contexts; // of what is seen, and of what is told
  #last = null;
  #dot = false; // all that the pen has left since it came down
  empty = true;

  /** `onInk()` after every move of the pen that left something; of a dot when the pen is lifted: it is hardly ever all that comes. */
  constructor(onInk) {
    this.element = document.createElement("canvas");
    Object.assign(this.element, { width: SIDE, height: SIDE, className: "sketch", tabIndex: -1 });
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", "Drawing area: draw with mouse, finger or pen. By keyboard, take a test image instead.");
    const told = document.createElement("canvas");
    Object.assign(told, { width: TOLD, height: TOLD });
    // Each stroke is read back at once: it is drawn small, too, which takes less than to shrink the whole.
    this.#contexts = [this.element, told].map((canvas) => {
      const context = canvas.getContext("2d", { willReadFrequently: canvas === told });
      context.scale(canvas.width / SIDE, canvas.width / SIDE);
      return Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    });
    this.element.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button !== 0) return;
      event.preventDefault();
      this.element.setPointerCapture(event.pointerId);
      this.#last = null;
      this.#ink(event);
      this.#dot = true;
    });
    // As soon as the pen moves, where the browser tells; else with the next frame.
    const moves = "onpointerrawupdate" in this.element ? "pointerrawupdate" : "pointermove";
    this.element.addEventListener(moves, (event) => {
      if (!this.element.hasPointerCapture(event.pointerId)) return;
      // All that the pen did since the last frame, not only where it is now.
      const events = event.getCoalescedEvents?.() ?? [];
      for (const one of events.length ? events : [event]) this.#ink(one);
      this.#dot = false;
      onInk();
    });
    this.element.addEventListener("lostpointercapture", () => this.#dot && onInk());
  }

  #ink(event) {
    const box = this.element.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
    const pressure = event.pointerType === "pen" && event.pressure ? 0.5 + event.pressure : 1;
    for (const context of this.#contexts) {
      context.lineWidth = PEN * pressure;
      context.beginPath();
      context.moveTo(...(this.#last ?? [x, y]));
      context.lineTo(x, y);
      context.stroke();
    }
    this.#last = [x, y];
    this.empty = false;
  }

  clear() {
    for (const context of this.#contexts) context.clearRect(0, 0, SIDE, SIDE);
    this.empty = true;
  }

  /** The drawing as grey bytes, 112 × 112, 0 where nothing is. */
  pixels() {
    const { data } = this.#contexts[1].getImageData(0, 0, TOLD, TOLD);
    const pixels = new Uint8Array(TOLD * TOLD);
    for (let i = 0; i < pixels.length; i++) pixels[i] = data[4 * i + 3];
    return pixels;
  }
}
