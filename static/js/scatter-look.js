// How points look and how they get from one epoch to the next. Pure.

/** Radius in device pixels and opacity: smaller and fainter where many points share little room, larger when zoomed in. */
export function pointLook(n, width, closeness, ratio) {
  const crowd = Math.sqrt(n / 10_000) * (440 / Math.max(200, width));
  const radius = Math.max(0.9, Math.min(1.7, 1.55 / Math.sqrt(Math.max(0.4, crowd))));
  const grown = Math.min(4.5, radius * Math.max(1, Math.sqrt(closeness)));
  return { radius: grown * ratio, alpha: crowd > 1.6 ? 0.5 : 0.72 };
}

/** Positions on their way from a to b, t from 0 to 1, written to `out`; a point that comes from nowhere is there at once. */
export function mixArrays(a, b, t, out = new Float32Array(b.length)) {
  for (let i = 0; i < b.length; i++) out[i] = a[i] === a[i] ? a[i] + (b[i] - a[i]) * t : b[i];
  return out;
}

/** The same for centers, means and the last layer: the regions' borders move with them. */
export function mixGeometry(a, b, t) {
  if (!a || !b) return b;
  const mixPairs = (p, q) => q.map(([x, y], i) => [p[i][0] + (x - p[i][0]) * t, p[i][1] + (y - p[i][1]) * t]);
  return {
    centers: mixPairs(a.centers, b.centers),
    means: mixPairs(a.means, b.means),
    weight: mixPairs(a.weight, b.weight),
    bias: b.bias.map((v, i) => a.bias[i] + (v - a.bias[i]) * t),
  };
}

/** Between two boxes. */
export function mixBoxes(a, b, t) {
  const mix = (side) => a[side] + (b[side] - a[side]) * t;
  return { xMin: mix("xMin"), xMax: mix("xMax"), yMin: mix("yMin"), yMax: mix("yMax") };
}
