// What a test may read: window.centerscope, a picture of the page's state that nothing in the page depends on.
//
// centerscope.state() → {
//   connection: "connecting" | "live" | "lost" | "ended",
//   received: {event type: count},         // since the page was opened
//   embeddings_kept: number,
//   latency: null or {n, p50, p99},         // from the trainer's epoch end to pixels, in milliseconds
//   comparison: null or {
//     epoch, at: the clock's moment, follow, playing, previewing, marked, selected: how many, selection: [indices],
//     rule: the selection's word in the address, drawing: null or what draw.js inspects,
//     options: {visible: [bool×10], centers, means, trails, regions, shading, draw, split, scale, reference, tool, zoomed},
//     panels: [{run, status, epochs_received, epoch, drawn_epoch (of the points in the last frame), split, zoomed, view, aligned,
//               renderer: "cpu" | "webgl", drawn, points, ms, outside, highlights, place_of(index) → [left, top] in CSS
//               pixels of the plot}]
//   }
// }

/** Puts `state` where tests find it. */
export function expose(state) {
  Object.defineProperty(window, "centerscope", { value: Object.freeze({ state }) });
}
