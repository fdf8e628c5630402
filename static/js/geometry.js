// The plane of an embedding: bounds, views, decision regions, lassos. Pure; knows nothing of the page.
//
// A view is {cx, cy, units}: the point at the centre of the plot and how many data units its shorter side spans. One
// scale for x and y: distances in the plane mean something.

/** The box {xMin, xMax, yMin, yMax} that holds all but the outermost `trim` share of the finite points on each side. */
export function bounds(x, y, trim = 0.0005) {
  const [xMin, xMax] = trimmedRange(x, trim);
  const [yMin, yMax] = trimmedRange(y, trim);
  return { xMin, xMax, yMin, yMax };
}

function trimmedRange(values, trim) {
  let min = Infinity;
  let max = -Infinity;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (!Number.isFinite(v)) continue;
    count++;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  const cut = Math.floor(count * trim);
  if (cut === 0 || max === min) return count ? [min, max] : [0, 0];
  const BINS = 2048;
  const bins = new Uint32Array(BINS);
  const scale = (BINS - 1) / (max - min);
  for (let i = 0; i < values.length; i++) if (Number.isFinite(values[i])) bins[((values[i] - min) * scale) | 0]++;
  let low = 0;
  for (let seen = bins[0]; seen <= cut; seen += bins[low]) low++;
  let high = BINS - 1;
  for (let seen = bins[high]; seen <= cut; seen += bins[high]) high--;
  return [min + low / scale, Math.min(max, min + (high + 1) / scale)];
}

/** The smallest box around several; null where there is none. */
export function union(boxes) {
  let all = null;
  for (const b of boxes) {
    if (!b) continue;
    all = all
      ? {
          xMin: Math.min(all.xMin, b.xMin),
          xMax: Math.max(all.xMax, b.xMax),
          yMin: Math.min(all.yMin, b.yMin),
          yMax: Math.max(all.yMax, b.yMax),
        }
      : { ...b };
  }
  return all;
}

/** The view that shows a box in a plot of width × height pixels, with a margin around it. */
export function fit(box, width, height, margin = 0.07) {
  const short = Math.min(width, height) || 1;
  const wide = (box.xMax - box.xMin) * (short / (width || 1));
  const high = (box.yMax - box.yMin) * (short / (height || 1));
  const units = Math.max(wide, high, 1e-6) * (1 + 2 * margin);
  return { cx: (box.xMin + box.xMax) / 2, cy: (box.yMin + box.yMax) / 2, units };
}

/** How a view lands on a plot of width × height pixels: sx = x·k + ox, sy = −y·k + oy. */
export function projection(view, width, height) {
  const k = Math.min(width, height) / view.units;
  return { k, ox: width / 2 - view.cx * k, oy: height / 2 + view.cy * k };
}

/** The box of data that a plot of width × height pixels shows. */
export function visibleBox(view, width, height) {
  const { k } = projection(view, width, height);
  return {
    xMin: view.cx - width / 2 / k,
    xMax: view.cx + width / 2 / k,
    yMin: view.cy - height / 2 / k,
    yMax: view.cy + height / 2 / k,
  };
}

/** The view after zooming by `factor` (above 1: closer) with the data point (x, y) staying where it is. */
export function zoomAt(view, x, y, factor) {
  const units = Math.min(1e6, Math.max(1e-5, view.units / factor));
  const f = units / view.units;
  return { cx: x + (view.cx - x) * f, cy: y + (view.cy - y) * f, units };
}

/** Between two views, t from 0 to 1: linear in the centre, geometric in the scale. */
export function mixViews(a, b, t) {
  return {
    cx: a.cx + (b.cx - a.cx) * t,
    cy: a.cy + (b.cy - a.cy) * t,
    units: a.units * Math.pow(b.units / a.units, t),
  };
}

/** The exact decision regions of the last linear layer within a box: for each class a convex polygon [[x, y]…], maybe empty. */
export function decisionRegions(weight, bias, box) {
  const corners = [
    [box.xMin, box.yMin],
    [box.xMax, box.yMin],
    [box.xMax, box.yMax],
    [box.xMin, box.yMax],
  ];
  return bias.map((_, k) => {
    let polygon = corners;
    for (let j = 0; j < bias.length && polygon.length; j++) {
      if (j === k) continue;
      polygon = clipHalfPlane(
        polygon,
        weight[k][0] - weight[j][0],
        weight[k][1] - weight[j][1],
        bias[k] - bias[j],
      );
    }
    return polygon;
  });
}

/** The part of a convex polygon where a·x + b·y + c ≥ 0 (Sutherland–Hodgman, one edge). */
export function clipHalfPlane(polygon, a, b, c) {
  const out = [];
  for (let i = 0; i < polygon.length; i++) {
    const p = polygon[i];
    const q = polygon[(i + 1) % polygon.length];
    const dp = a * p[0] + b * p[1] + c;
    const dq = a * q[0] + b * q[1] + c;
    if (dp >= 0) out.push(p);
    if (dp >= 0 !== dq >= 0) {
      const t = dp / (dp - dq);
      out.push([p[0] + (q[0] - p[0]) * t, p[1] + (q[1] - p[1]) * t]);
    }
  }
  return out;
}

/** The indices of the points inside a polygon [[x, y]…] (even–odd rule) that `wanted(i)` lets through. */
export function insidePolygon(polygon, x, y, wanted = () => true) {
  const box = bounds(
    polygon.map((p) => p[0]),
    polygon.map((p) => p[1]),
    0,
  );
  const found = [];
  for (let i = 0; i < x.length; i++) {
    const px = x[i];
    const py = y[i];
    if (!(px >= box.xMin && px <= box.xMax && py >= box.yMin && py <= box.yMax) || !wanted(i)) continue;
    let inside = false;
    for (let a = 0, b = polygon.length - 1; a < polygon.length; b = a++) {
      const [ax, ay] = polygon[a];
      const [bx, by] = polygon[b];
      if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) inside = !inside;
    }
    if (inside) found.push(i);
  }
  return found;
}
