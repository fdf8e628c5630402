// How large and how opaque points are. Pure.

/** Radius in device pixels and opacity: smaller and fainter where many points share little room, larger when zoomed in. */
export function pointLook(n, width, closeness, ratio) {
  const crowd = Math.sqrt(n / 10_000) * (440 / Math.max(200, width));
  const radius = Math.max(0.9, Math.min(1.7, 1.55 / Math.sqrt(Math.max(0.4, crowd))));
  const grown = Math.min(4.5, radius * Math.max(1, Math.sqrt(closeness)));
  return { radius: grown * ratio, alpha: crowd > 1.6 ? 0.5 : 0.72 };
}
