// Draws points with the GPU (WebGL2). The same frames and, within a tolerance, the same picture as scatter-cpu.js.

const VERTEX = `#version 300 es
in vec2 place; in float label; in float chosen;
uniform vec2 scale, offset; uniform float diameter, pass, alpha; uniform vec4 colours[10];
out vec4 colour; out float size;
void main() {
  vec4 c = colours[int(label)];
  bool drop = c.a == 0.0 || (pass >= 0.0 && chosen != pass) || !(place.x == place.x);
  gl_Position = drop ? vec4(2.0, 2.0, 0.0, 1.0) : vec4(place * scale + offset, 0.0, 1.0);
  gl_PointSize = diameter + 2.0;
  size = diameter + 2.0;
  colour = vec4(c.rgb * alpha, alpha);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour; in float size; out vec4 pixel;
void main() {
  float edge = size * 0.5 - 0.5 - length((gl_PointCoord - 0.5) * size);
  float cover = clamp(edge, 0.0, 1.0);
  if (cover == 0.0) discard;
  pixel = colour * cover;
}`;

/** Draws frames on a canvas with WebGL2. Throws where there is none; calls `onLost` when the GPU is taken away. */
export class WebglRenderer {
  kind = "webgl";
  #gl;
  #uniforms = {};
  #buffers = {};
  #centre = [0, 0];
  #lost;

  constructor(canvas, onLost) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, preserveDrawingBuffer: true });
    if (!gl) throw new Error("no WebGL2");
    this.#gl = gl;
    this.#lost = (event) => {
      event.preventDefault();
      onLost();
    };
    canvas.addEventListener("webglcontextlost", this.#lost);
    const program = link(gl);
    gl.useProgram(program);
    for (const name of ["scale", "offset", "diameter", "pass", "alpha", "colours"])
      this.#uniforms[name] = gl.getUniformLocation(program, name);
    for (const [name, size] of [
      ["place", 2],
      ["label", 1],
      ["chosen", 1],
    ]) {
      const at = gl.getAttribLocation(program, name);
      this.#buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[name]);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, name === "place" ? gl.FLOAT : gl.UNSIGNED_BYTE, false, 0, 0);
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** Draws a frame; returns how many points were handed to the GPU. */
  draw(frame) {
    const gl = this.#gl;
    const { width, height } = this.canvas;
    if (width === 0 || height === 0 || gl.isContextLost()) return 0;
    if (frame.moved) this.#upload(frame);
    this.#uploadSelection(frame);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const [cx, cy] = this.#centre;
    // Positions were moved to around 0 before the upload, so that 32-bit floats keep their precision far from the origin.
    gl.uniform2f(this.#uniforms.scale, (2 * frame.k) / width, (2 * frame.k) / height);
    gl.uniform2f(
      this.#uniforms.offset,
      (2 * (cx * frame.k + frame.ox)) / width - 1,
      1 - (2 * (frame.oy - cy * frame.k)) / height,
    );
    const colours = frame.colours.flatMap(([r, g, b], c) => [r / 255, g / 255, b / 255, frame.visible[c] ? 1 : 0]);
    gl.uniform4fv(this.#uniforms.colours, colours);
    if (frame.selected) {
      this.#pass(frame, 0, frame.alpha * 0.14, frame.radius);
      this.#pass(frame, 1, Math.min(1, frame.alpha * 1.2), frame.radius * 1.25);
    } else {
      this.#pass(frame, -1, frame.alpha, frame.radius);
    }
    let drawn = 0;
    for (let i = 0; i < frame.labels.length; i++) if (frame.visible[frame.labels[i]] && frame.x[i] === frame.x[i]) drawn++;
    return drawn;
  }

  #pass(frame, which, alpha, radius) {
    const gl = this.#gl;
    gl.uniform1f(this.#uniforms.pass, which);
    gl.uniform1f(this.#uniforms.alpha, alpha);
    gl.uniform1f(this.#uniforms.diameter, 2 * radius);
    gl.drawArrays(gl.POINTS, 0, frame.order.length);
  }

  #upload({ x, y, labels, order }) {
    const n = order.length;
    let sumX = 0;
    let sumY = 0;
    let count = 0;
    for (let i = 0; i < n; i++) {
      if (x[i] !== x[i]) continue;
      sumX += x[i];
      sumY += y[i];
      count++;
    }
    this.#centre = count ? [sumX / count, sumY / count] : [0, 0];
    const [cx, cy] = this.#centre;
    const place = new Float32Array(2 * n);
    const label = new Uint8Array(n);
    for (let o = 0; o < n; o++) {
      const i = order[o];
      place[2 * o] = x[i] - cx;
      place[2 * o + 1] = y[i] - cy;
      label[o] = labels[i];
    }
    this.#fill("place", place);
    this.#fill("label", label);
  }

  #uploadSelection({ order, selected }) {
    const chosen = new Uint8Array(order.length);
    if (selected) for (let o = 0; o < order.length; o++) chosen[o] = selected[order[o]];
    this.#fill("chosen", chosen);
  }

  #fill(name, data) {
    const gl = this.#gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
  }

  /** Gives the GPU's memory back. */
  destroy() {
    this.canvas.removeEventListener("webglcontextlost", this.#lost);
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

function link(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "no program");
  return program;
}
