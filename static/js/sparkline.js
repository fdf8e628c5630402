// The course of a number as a drawing of a line's height. Pure but for the element that it makes.

export const WIDTH = 84;
export const HEIGHT = 20;
const MARGIN = 2.5;

/** The path of a line through `values`, oldest left, smallest at the bottom; what is not finite is a gap. "" for fewer than two. */
export function linePath(values, width = WIDTH, height = HEIGHT, margin = MARGIN) {
  const known = values.filter(Number.isFinite);
  if (known.length < 2) return "";
  const least = Math.min(...known);
  const span = Math.max(...known) - least;
  let path = "";
  let pen = "M";
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) return void (pen = "M");
    const x = margin + (i / (values.length - 1)) * (width - 2 * margin);
    const y = height - margin - (span ? (value - least) / span : 0.5) * (height - 2 * margin);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element with the line and a dot at its end; null where there is nothing to draw. */
export function sparkline(values, label) {
  const path = linePath(values);
  if (!path) return null;
  const svg = document.createElementNS(SVG, "svg");
  const set = (element, attributes) => Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  set(svg, { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": label });
  const line = document.createElementNS(SVG, "path");
  set(line, { d: path });
  const [x, y] = path.slice(path.lastIndexOf("L") + 1).split(" ");
  const end = document.createElementNS(SVG, "circle");
  set(end, { cx: x, cy: y, r: 2 });
  svg.append(line, end);
  return svg;
}
