// Draws points without a GPU: small discs, prepared once per class and sub-pixel position, blended into an ImageData.
// Sixty thousand of them take about as long as one frame of a film allows on one slow core.
//
// Frame, for both renderers: {x, y: Float32Array in data units, moved: whether they changed since the last frame,
// labels: Uint8Array, order: Uint32Array, visible: [bool×10], selected: Uint8Array or null, colours: [[r,g,b]×10],
// radius: device pixels, alpha, k, ox, oy: the projection in device pixels}.

const PHASES = 4; // sub-pixel positions along each axis: points glide instead of jumping from pixel to pixel

/** Draws frames on a canvas with the CPU. */
export class CpuRenderer {
  kind = "cpu";
  #context;
  #image = null;
  #pixels = null;

  constructor(canvas) {
    this.canvas = canvas;
    this.#context = canvas.getContext("2d");
  }

  /** Draws a frame; returns how many points fell on the canvas. */
  draw(frame) {
    const { width, height } = this.canvas;
    if (width === 0 || height === 0) return 0;
    if (!this.#image || this.#image.width !== width || this.#image.height !== height) {
      this.#image = this.#context.createImageData(width, height);
      this.#pixels = new Uint32Array(this.#image.data.buffer);
    }
    this.#pixels.fill(0);
    let drawn;
    if (frame.selected) {
      drawn = this.#pass(frame, 0, frame.alpha * 0.14, frame.radius);
      drawn += this.#pass(frame, 1, Math.min(1, frame.alpha * 1.2), frame.radius * 1.25);
    } else {
      drawn = this.#pass(frame, -1, frame.alpha, frame.radius);
    }
    unpremultiply(this.#image.data, this.#pixels);
    this.#context.putImageData(this.#image, 0, 0);
    return drawn;
  }

  /** Draws the points whose selection is `which` (−1: all of them). */
  #pass(frame, which, alpha, radius) {
    const { x, y, labels, order, visible, selected, k, ox, oy } = frame;
    const { width, height } = this.canvas;
    const stamps = frame.colours.map((colour, c) => (visible[c] ? stampsOf(colour, alpha, radius, width) : null));
    const reach = reachOf(radius);
    const size = 2 * reach + 1;
    let drawn = 0;
    for (let o = 0; o < order.length; o++) {
      const i = order[o];
      if (which >= 0 && selected[i] !== which) continue;
      const phases = stamps[labels[i]];
      if (!phases) continue;
      const fx = x[i] * k + ox - reach;
      const fy = oy - y[i] * k - reach;
      if (!(fx > -size && fx < width && fy > -size && fy < height)) continue;
      drawn++;
      const px = Math.floor(fx);
      const py = Math.floor(fy);
      const stamp = phases[(((fy - py) * PHASES) | 0) * PHASES + (((fx - px) * PHASES) | 0)];
      const whole = px >= 0 && py >= 0 && px + size <= width && py + size <= height;
      blend(this.#pixels, width, height, px, py, stamp, whole);
    }
    return drawn;
  }

  /** Nothing is held that the garbage collector does not know. */
  destroy() {}
}

/** Lays one disc over the pixels; `whole` says that none of it lies outside, which saves the test of each pixel. */
function blend(pixels, width, height, px, py, { xs, ys, offsets, sources }, whole) {
  const base = py * width + px;
  for (let j = 0; j < sources.length; j++) {
    if (!whole && (px + xs[j] < 0 || px + xs[j] >= width || py + ys[j] < 0 || py + ys[j] >= height)) continue;
    const p = base + offsets[j];
    const source = sources[j];
    const under = pixels[p];
    const a = source >>> 24;
    if (a === 255 || under === 0) {
      pixels[p] = source;
      continue;
    }
    // Two channels at a time: red and blue, green and alpha.
    const rest = 256 - a;
    const redBlue = (Math.imul(under & 0xff00ff, rest) >>> 8) & 0xff00ff;
    const greenAlpha = Math.imul((under >>> 8) & 0xff00ff, rest) & 0xff00ff00;
    pixels[p] = source + (redBlue | greenAlpha);
  }
}

function reachOf(radius) {
  return Math.ceil(radius + 0.5);
}

/** What was made already, for all plots of the page: most are of one size. */
const knownDiscs = new Map();
const knownStamps = new Map();

function kept(map, key, make) {
  if (!map.has(key)) {
    if (map.size > 400) map.clear();
    map.set(key, make());
  }
  return map.get(key);
}

function stampsOf(colour, alpha, radius, width) {
  const key = `${colour}/${alpha.toFixed(3)}/${radius.toFixed(3)}/${width}`;
  return kept(knownStamps, key, () => kept(knownDiscs, radius, () => makeDiscs(radius)).map((disc) => makeStamp(disc, colour, alpha, width)));
}

/** The disc at each sub-pixel position: the pixels that it touches, and how much of each it covers. */
function makeDiscs(radius) {
  const reach = reachOf(radius);
  return Array.from({ length: PHASES * PHASES }, (_, phase) => {
    const cx = reach + ((phase % PHASES) + 0.5) / PHASES;
    const cy = reach + (Math.floor(phase / PHASES) + 0.5) / PHASES;
    const disc = { xs: [], ys: [], covered: [] };
    for (let y = 0; y <= 2 * reach; y++) {
      for (let x = 0; x <= 2 * reach; x++) {
        const edge = radius + 0.5 - Math.hypot(x + 0.5 - cx, y + 0.5 - cy);
        if (edge <= 0) continue;
        disc.xs.push(x);
        disc.ys.push(y);
        disc.covered.push(Math.min(1, edge));
      }
    }
    return disc;
  });
}

/** A disc in a colour, premultiplied, as RGBA in memory order. */
function makeStamp({ xs, ys, covered }, [r, g, b], alpha, width) {
  const sources = Uint32Array.from(covered, (share) => {
    const byte = Math.round(share * alpha * 255);
    const part = (c) => Math.min(byte, Math.round((c * byte) / 255));
    return (byte << 24) | (part(b) << 16) | (part(g) << 8) | part(r);
  });
  return { xs, ys, offsets: Int32Array.from(xs, (x, j) => ys[j] * width + x), sources };
}

/** ImageData is not premultiplied, blending is: converts in place, touching only the half-transparent pixels. */
function unpremultiply(bytes, pixels) {
  for (let p = 0; p < pixels.length; p++) {
    const a = pixels[p] >>> 24;
    if (a === 0 || a === 255) continue;
    const scale = 255 / a;
    const at = p * 4;
    bytes[at] *= scale;
    bytes[at + 1] *= scale;
    bytes[at + 2] *= scale;
  }
}
