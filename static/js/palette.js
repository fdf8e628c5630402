// Colours as the style sheet defines them: the ten class colours and those of the runs, for whoever draws on a canvas.

/** "#rrggbb" → [r, g, b]. Pure. */
export function parseHex(text) {
  const n = Number.parseInt(text.trim().slice(1), 16);
  return [(n >> 16) & 255, (n >> 8) & 255, n & 255];
}

/** [r, g, b] and an opacity as a CSS colour. Pure. */
export function rgba([r, g, b], alpha = 1) {
  return `rgba(${r},${g},${b},${alpha})`;
}

/** The colours of the current theme: {classes: [[r,g,b]×10], runs: ["#…"×6], panel, ink, muted, line, accent}. */
export function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    classes: Array.from({ length: 10 }, (_, k) => parseHex(value(`--class-${k}`))),
    runs: Array.from({ length: 6 }, (_, k) => value(`--run-${k}`)),
    panel: parseHex(value("--panel")),
    ink: value("--ink"),
    muted: value("--muted"),
    line: value("--line"),
    axis: value("--axis"),
    accent: value("--accent"),
  };
}

/** Calls back whenever the theme changes: by the toggle or by the system. */
export function onThemeChange(callback) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
  new MutationObserver(callback).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
}
