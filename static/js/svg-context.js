// As much of a canvas's 2D context as our drawing code uses, writing SVG instead of pixels: one drawing code, two kinds of
// picture. Needs no page.

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ESCAPES[c]);
const short = (x) => String(Math.round(x * 100) / 100);

/** A colour for `fill` or `stroke`; its opacity apart, since programs that draw SVG outside of a browser know no rgba(). */
function paint(what, colour) {
  const [, r, g, b, a] = String(colour).match(/^rgba\((\d+),(\d+),(\d+),([\d.]+)\)$/) ?? [];
  if (a === undefined) return ` ${what}="${escape(colour)}"`;
  return ` ${what}="rgb(${r},${g},${b})"${a === "1" ? "" : ` ${what}-opacity="${a}"`}`;
}

const ANCHORS = { left: "start", start: "start", center: "middle", right: "end", end: "end" };
const BASELINES = { alphabetic: "auto", middle: "central", top: "text-before-edge", bottom: "text-after-edge", hanging: "hanging" };

export class SvgContext {
  #out = [];
  #path = [];
  #saved = [];
  #shift = [0, 0];
  #dash = [];
  fillStyle = "#000";
  strokeStyle = "#000";
  lineWidth = 1;
  lineCap = "butt";
  lineJoin = "miter";
  globalAlpha = 1;
  font = "10px sans-serif";
  textAlign = "start";
  textBaseline = "alphabetic";

  /** The elements written so far. */
  get text() {
    return this.#out.join("\n");
  }

  /** Writes an element as it is. */
  write(element) {
    this.#out.push(element);
  }

  save() {
    const { fillStyle, strokeStyle, lineWidth, lineCap, lineJoin, globalAlpha, font, textAlign, textBaseline } = this;
    this.#saved.push([{ fillStyle, strokeStyle, lineWidth, lineCap, lineJoin, globalAlpha, font, textAlign, textBaseline }, this.#shift, this.#dash]);
  }

  restore() {
    const [state, shift, dash] = this.#saved.pop();
    Object.assign(this, state);
    this.#shift = shift;
    this.#dash = dash;
  }

  translate(dx, dy) {
    this.#shift = [this.#shift[0] + dx, this.#shift[1] + dy];
  }

  /** A fresh picture is empty. */
  clearRect() {}

  setLineDash(dash) {
    this.#dash = dash;
  }

  beginPath() {
    this.#path = [];
  }

  moveTo(x, y) {
    this.#path.push(`M${this.#at(x, y)}`);
  }

  lineTo(x, y) {
    this.#path.push(`${this.#path.length ? "L" : "M"}${this.#at(x, y)}`);
  }

  quadraticCurveTo(cx, cy, x, y) {
    this.#path.push(`Q${this.#at(cx, cy)} ${this.#at(x, y)}`);
  }

  bezierCurveTo(ax, ay, bx, by, x, y) {
    this.#path.push(`C${this.#at(ax, ay)} ${this.#at(bx, by)} ${this.#at(x, y)}`);
  }

  rect(x, y, width, height) {
    this.#path.push(`M${this.#at(x, y)}h${short(width)}v${short(height)}h${short(-width)}z`);
  }

  closePath() {
    this.#path.push("z");
  }

  arc(x, y, radius, from, to) {
    const at = (angle) => this.#at(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    const r = short(radius);
    this.#path.push(`${this.#path.length && !this.#path.at(-1).startsWith("z") ? "L" : "M"}${at(from)}`);
    if (to - from >= 2 * Math.PI - 1e-9) this.#path.push(`A${r} ${r} 0 1 1 ${at(from + Math.PI)}A${r} ${r} 0 1 1 ${at(from)}z`);
    else this.#path.push(`A${r} ${r} 0 ${to - from > Math.PI ? 1 : 0} 1 ${at(to)}`);
  }

  fill() {
    this.write(`<path d="${this.#path.join("")}"${paint("fill", this.fillStyle)}${this.#opacity()}/>`);
  }

  stroke() {
    this.write(`<path d="${this.#path.join("")}" fill="none"${this.#pen()}/>`);
  }

  fillRect(x, y, width, height) {
    this.write(`<rect${this.#box(x, y, width, height)}${paint("fill", this.fillStyle)}${this.#opacity()}/>`);
  }

  strokeRect(x, y, width, height) {
    this.write(`<rect${this.#box(x, y, width, height)} fill="none"${this.#pen()}/>`);
  }

  fillText(text, x, y) {
    this.#text(text, x, y, `${paint("fill", this.fillStyle)}${this.#opacity()}`);
  }

  strokeText(text, x, y) {
    this.#text(text, x, y, ` fill="none"${this.#pen()}`);
  }

  /** A canvas, as a picture within the picture. */
  drawImage(canvas, x, y, width = canvas.width, height = canvas.height) {
    this.write(`<image${this.#box(x, y, width, height)} href="${canvas.toDataURL("image/png")}"/>`);
  }

  #text(text, x, y, colours) {
    const [, weight, size, family] = this.font.match(/^(?:(\d+|bold) )?([\d.]+)px (.*)$/) ?? [null, "", "10", "sans-serif"];
    const [sx, sy] = this.#shift;
    const style = `font-family="${escape(family)}" font-size="${size}"${weight ? ` font-weight="${weight}"` : ""}`;
    const place = `text-anchor="${ANCHORS[this.textAlign]}" dominant-baseline="${BASELINES[this.textBaseline]}"`;
    this.write(`<text x="${short(x + sx)}" y="${short(y + sy)}" ${style} ${place}${colours}>${escape(text)}</text>`);
  }

  #at(x, y) {
    return `${short(x + this.#shift[0])} ${short(y + this.#shift[1])}`;
  }

  #box(x, y, width, height) {
    return ` x="${short(x + this.#shift[0])}" y="${short(y + this.#shift[1])}" width="${short(width)}" height="${short(height)}"`;
  }

  #opacity() {
    return this.globalAlpha < 1 ? ` opacity="${this.globalAlpha}"` : "";
  }

  #pen() {
    const dash = this.#dash.length ? ` stroke-dasharray="${this.#dash.join(" ")}"` : "";
    const joints = ` stroke-linecap="${this.lineCap}" stroke-linejoin="${this.lineJoin}"`;
    return `${paint("stroke", this.strokeStyle)} stroke-width="${this.lineWidth}"${joints}${dash}${this.#opacity()}`;
  }
}

const LAYER = 500;

/**
 * A renderer's frame (see scatter-cpu.js) as SVG: dots as round ends of lines without length. Points of a class that come
 * close after one another in the drawing order share a path, so that 10 000 points take about 150 kB and classes still mix.
 */
export function pointsAsSvg(frame) {
  const { x, y, labels, order, visible, selected, colours, k, ox, oy } = frame;
  const out = [];
  const pass = (which, alpha, radius) => {
    const dot = short(2 * radius);
    for (let begin = 0; begin < order.length; begin += LAYER) {
      const paths = colours.map(() => []);
      for (let o = begin; o < Math.min(begin + LAYER, order.length); o++) {
        const i = order[o];
        if (!visible[labels[i]] || (which >= 0 && selected[i] !== which) || !Number.isFinite(x[i])) continue;
        paths[labels[i]].push(`M${short(x[i] * k + ox)} ${short(oy - y[i] * k)}h0`);
      }
      paths.forEach((path, c) => {
        if (!path.length) return;
        const [r, g, b] = colours[c];
        out.push(`<path d="${path.join("")}" fill="none" stroke="rgb(${r},${g},${b})" stroke-opacity="${short(alpha)}" stroke-width="${dot}" stroke-linecap="round"/>`);
      });
    }
  };
  if (selected) {
    pass(0, frame.alpha * 0.14, frame.radius);
    pass(1, Math.min(1, frame.alpha * 1.2), frame.radius * 1.25);
  } else {
    pass(-1, frame.alpha, frame.radius);
  }
  return out.join("\n");
}
