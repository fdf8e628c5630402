// The GPU's renderer, for pages whose first picture stands already: to ask for a GPU takes longer than to draw without.

let found; // asked once a page

/** The renderer of scatter-webgl.js once it is known that a real GPU is there; null without one. */
export function gpuRenderer() {
  found ??= (async () => {
    await new Promise((resolve) => (window.requestIdleCallback ?? setTimeout)(resolve));
    // ?renderer=cpu|webgl decides by hand, to compare the two.
    const asked = new URLSearchParams(location.search).get("renderer");
    if (asked ? asked !== "webgl" : !hasRealGpu()) return null;
    return (await import("./scatter-webgl.js")).WebglRenderer;
  })();
  return found;
}

/** Whether a GPU, not software that imitates one, stands behind WebGL2: the imitation is slower than our own CPU path. */
function hasRealGpu() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return false;
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}
