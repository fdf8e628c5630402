// Hands on a plot: Ctrl or ⌘ and the wheel, or a pinch, zoom, drag pans (or draws a lasso or a box), double-click and keys reset, Enter selects
// what is in view, a tap or the mouse points. Speaks in CSS pixels of the plot; what that means in data units is the plot's business.

const TAP_PIXELS = 6;

/**
 * Listens on `element`. `actions`: zoom(x, y, factor), pan(dx, dy), reset(), point(x, y, touch) or point(null),
 * outline(path, done), tool() → "move", "lasso" or "box", zoomed(), hint() when the wheel was turned that scrolls the page.
 */
export function listen(element, actions) {
  const pointers = new Map();
  let path = null;
  let boxed = false;
  let travelled = 0;
  let lastScroll = 0;
  let lastTap = 0;

  // Nobody who scrolls the page needs to hear of each plot that comes under the pointer how to zoom.
  addEventListener("scroll", () => (lastScroll = performance.now()), { passive: true });

  element.addEventListener(
    "wheel",
    (event) => {
      // A pinch on a touchpad comes as small turns with Ctrl.
      if (!event.ctrlKey && !event.metaKey) {
        if (performance.now() - lastScroll > 250) actions.hint();
        return;
      }
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 20 : 1;
      const delta = Math.max(-25, Math.min(25, event.deltaY * lines));
      const [x, y] = place(event);
      actions.zoom(x, y, Math.exp(-delta / 100));
    },
    { passive: false },
  );

  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    pointers.set(event.pointerId, place(event));
    travelled = 0;
    const draws = event.shiftKey || actions.tool() !== "move";
    if (event.pointerType === "mouse" || actions.zoomed() || draws) element.setPointerCapture(event.pointerId);
    if (pointers.size === 1 && draws) {
      path = [place(event)];
      boxed = actions.tool() === "box";
    } else if (path) {
      drop();
    }
  });

  element.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") actions.point(...now, false);
      return;
    }
    travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (path) {
      if (boxed) path = rectangle(path[0], now);
      else path.push(now);
      actions.outline(path, false);
    } else if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const was = Math.hypot(before[0] - other[0], before[1] - other[1]);
      const is = Math.hypot(now[0] - other[0], now[1] - other[1]);
      const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
      actions.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
      if (was > 0) actions.zoom(...middle, is / was);
    } else if (travelled > TAP_PIXELS && (event.pointerType !== "touch" || actions.zoomed())) {
      // One finger on a plot that shows all of its points scrolls the page.
      actions.pan(now[0] - before[0], now[1] - before[1]);
      element.dataset.dragging = "";
    }
    pointers.set(event.pointerId, now);
  });

  const drop = () => {
    path = null;
    actions.outline([], false);
  };

  const lift = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    delete element.dataset.dragging;
    const drawn = path;
    if (drawn) drop();
    if (event.type === "pointercancel") return;
    if (travelled > TAP_PIXELS) {
      if (drawn) actions.outline(drawn, true);
    } else if (event.pointerType === "touch" && pointers.size === 0) {
      const now = performance.now();
      if (now - lastTap < 320) actions.reset();
      else actions.point(...place(event), true);
      lastTap = now;
    }
  };
  element.addEventListener("pointerup", lift);
  element.addEventListener("pointercancel", lift);
  element.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch" && !pointers.has(event.pointerId)) actions.point(null);
  });
  element.addEventListener("dblclick", () => actions.reset());

  element.addEventListener("keydown", (event) => {
    const { clientWidth: w, clientHeight: h } = element;
    const step = 40;
    const act = {
      "+": () => actions.zoom(w / 2, h / 2, 1.3),
      "=": () => actions.zoom(w / 2, h / 2, 1.3),
      "-": () => actions.zoom(w / 2, h / 2, 1 / 1.3),
      0: () => actions.reset(),
      // With the keys that move and zoom, a way to select without a mouse.
      Enter: () => actions.outline([[0, 0], [w, 0], [w, h], [0, h]], true),
    }[event.key];
    if (event.key === "Escape") {
      actions.point(null);
      if (!path) return;
      pointers.clear();
      drop();
    }
    const shift = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (act && !event.ctrlKey && !event.metaKey) act();
    else if (shift && event.shiftKey) actions.pan(...shift);
    else if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
  });

  function place(event) {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
}

/** The corners of the box between two opposite ones. */
function rectangle([left, top], [right, bottom]) {
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
}
