// A test image turned, moved and made noisy. Pure.

const SIDE = 28;

/**
 * 28×28 grey pixels turned by `degrees` (counter-clockwise), moved by `right` and `down` pixels, with normal noise of
 * standard deviation `noise` (a share of white) added; the same `seed` gives the same noise. Nothing asked: the same pixels.
 */
export function perturb(pixels, { degrees = 0, right = 0, down = 0, noise = 0, seed = 1 } = {}) {
  if (!degrees && !right && !down && !noise) return Uint8Array.from(pixels);
  const angle = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const middle = (SIDE - 1) / 2;
  const random = normals(seed);
  const out = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const dx = x - middle - right;
      const dy = y - middle - down;
      const grey = between(pixels, cos * dx - sin * dy + middle, sin * dx + cos * dy + middle);
      out[y * SIDE + x] = Math.max(0, Math.min(255, Math.round(grey + noise * 255 * random())));
    }
  }
  return out;
}

/** The grey between four pixels; black outside. */
function between(pixels, x, y) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const at = (u, v) => (u >= 0 && u < SIDE && v >= 0 && v < SIDE ? pixels[v * SIDE + u] : 0);
  const along = (v) => at(left, v) + (at(left + 1, v) - at(left, v)) * (x - left);
  return along(top) + (along(top + 1) - along(top)) * (y - top);
}

/** Numbers of mean 0 and variance 1: the sum of twelve uniform ones, less six. */
function normals(seed) {
  let state = seed | 0;
  const uniform = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  };
}
