// The images picked with a lasso or a cell of a confusion matrix: how many of which digit, how each run does on them, and
// the images themselves.

import { h } from "./dom.js";
import { grouped, percent } from "./format.js";
import { predict } from "./geometry.js";

const MOST_THUMBNAILS = 240;

/** How many of the picked images bear each label: [10 counts]. Pure. */
export function countLabels(indices, labels) {
  const counts = new Array(10).fill(0);
  for (const i of indices) counts[labels[i]]++;
  return counts;
}

/** Share of the picked images that the shown epoch's last layer recognises. Pure. */
export function accuracyOn(indices, { embedding, labels, report }) {
  const { weight, bias } = report.geometry;
  let right = 0;
  for (const i of indices) if (predict(weight, bias, embedding.x[i], embedding.y[i]) === labels[i]) right++;
  return indices.length ? right / indices.length : NaN;
}

/** The strip under the plots; hidden without a selection. `on`: clear(), mark(index). */
export class SelectionStrip {
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.indices = [];
  }

  /** `panels`: those that show something. */
  update(indices, panels) {
    this.element.hidden = indices.length === 0;
    if (this.element.hidden) {
      this.indices = indices;
      this.element.replaceChildren();
      return;
    }
    const { labels, split, set } = panels[0].shown;
    const counts = countLabels(indices, labels);
    const head = h(
      "div",
      { class: "selection-head" },
      h("b", {}, `${grouped(indices.length)} ${split} image${indices.length === 1 ? "" : "s"} selected`),
      counts.map((n, k) => (n ? h("span", { class: `count class-${k}` }, h("i", { class: "swatch" }), `${k} × ${grouped(n)}`) : null)),
      h("span", { class: "spacer" }),
      panels.map((panel, i) =>
        h("span", { class: "count", title: `Share recognised by ${panel.run.name}` }, h("i", { class: `glyph run-${panel.index ?? i}` }), percent(accuracyOn(indices, panel.shown), 1)),
      ),
      h("button", { type: "button", onclick: () => this.on.clear() }, "Clear"),
    );
    if (this.indices === indices) {
      this.element.firstChild.replaceWith(head);
      return;
    }
    this.indices = indices;
    const strip = h("div", { class: "thumbnails", tabindex: "0", role: "list", "aria-label": "Selected images" });
    for (const i of indices.slice(0, MOST_THUMBNAILS)) {
      strip.append(
        h("img", {
          role: "listitem",
          class: `class-${labels[i]}`,
          src: `/data/${set}/images/${split}/${i}.png`,
          alt: `image ${i}, a ${labels[i]}`,
          title: `#${i}: ${labels[i]}`,
          width: "28",
          height: "28",
          loading: "lazy",
          decoding: "async",
          onpointerenter: () => this.on.mark(i),
          onpointerleave: () => this.on.mark(-1),
        }),
      );
    }
    if (indices.length > MOST_THUMBNAILS) strip.append(h("span", { class: "more" }, `and ${grouped(indices.length - MOST_THUMBNAILS)} more`));
    this.element.replaceChildren(head, strip);
  }
}
