// SVG elements made short.

/** An SVG element with attributes and children; strings become text. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

/** Calls back with the width of `box`, now and whenever it changes. */
export function onWidth(box, callback) {
  new ResizeObserver(() => box.clientWidth && callback(box.clientWidth)).observe(box);
}
