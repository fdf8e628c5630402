// Thousands of images in a row that scrolls without lag: only those in sight are elements, and they come by the hundred,
// as sheets.

import { h, say } from "./dom.js";
import { sheetUrl } from "./images.js";
import { disagreeOn } from "./rules.js";

const CELL = 42; // CSS pixels from one image to the next
const SIDE = 36; // of an image
const ROW = 58;
const SHEET = 128; // images that come together
export const SHEET_COLUMNS = 16; // as the server lays them out
const BEYOND = 4; // columns kept ready on both sides
const HINT = "Point at an image, or tap it, to see where the runs put it.";

/** Which columns of `count` a strip needs that is scrolled to `left` and `width` wide: [from, to). Pure. */
export function columnsInSight(left, width, count) {
  const from = Math.max(0, Math.floor(left / CELL) - BEYOND);
  return [from, Math.max(from, Math.min(count, Math.ceil((left + width) / CELL) + BEYOND))];
}

/** `on`: mark(index), −1 for none. */
export class Strip {
  #on;
  #indices = [];
  #panels = [];
  #rows = 1;
  #cells = new Map(); // place in the strip → element
  #active = -1;

  constructor(on) {
    this.#on = on;
    this.inner = h("div", { class: "strip-inner", role: "presentation" });
    this.element = h(
      "div",
      { class: "strip", tabindex: "0", role: "listbox", "aria-label": "Selected images", "aria-orientation": "horizontal" },
      this.inner,
    );
    this.about = h("p", { class: "strip-about" });
    this.element.addEventListener("scroll", () => this.#fill(), { passive: true });
    new ResizeObserver(() => this.#layOut()).observe(this.element);
    // A finger points by a tap, and lifts without pointing elsewhere; while it swipes it points at nothing.
    const byMouse = (act) => (event) => event.pointerType !== "touch" && act(event);
    const pointAt = (event) => this.#activate(event.target.closest("[data-place]")?.dataset.place ?? -1);
    this.element.addEventListener("pointerover", byMouse(pointAt));
    this.element.addEventListener("pointerleave", byMouse(() => this.#activate(-1)));
    this.element.addEventListener("click", pointAt);
    this.element.addEventListener("blur", () => this.#activate(-1));
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** `panels`: those that show something; all of the same images. */
  update(indices, panels) {
    const other = this.#indices !== indices;
    this.#indices = indices;
    this.#panels = panels.map(({ run, index, shown }) => ({ name: run.name, index, guesses: shown.embedding.guesses }));
    this.shown = panels[0].shown;
    this.element.hidden = this.about.hidden = indices.length === 0;
    if (other) {
      this.element.scrollLeft = 0;
      this.#active = -1;
    }
    this.#layOut();
    this.#tell();
  }

  #layOut() {
    this.#rows = this.#indices.length * CELL > this.element.clientWidth ? 2 : 1;
    this.inner.style.width = `${this.#columns * CELL}px`;
    this.inner.style.height = `${this.#rows * ROW}px`;
    this.#cells.clear();
    this.inner.replaceChildren();
    this.#fill();
  }

  get #columns() {
    return Math.ceil(this.#indices.length / this.#rows);
  }

  #fill() {
    const [from, to] = columnsInSight(this.element.scrollLeft, this.element.clientWidth, this.#columns);
    const first = from * this.#rows;
    const last = Math.min(this.#indices.length, to * this.#rows);
    for (const [place, cell] of this.#cells) {
      if (place >= first && place < last) continue;
      cell.remove();
      this.#cells.delete(place);
    }
    const fresh = [];
    for (let place = first; place < last; place++) if (!this.#cells.has(place)) fresh.push(this.#make(place));
    this.inner.append(...fresh);
  }

  #make(place) {
    const index = this.#indices[place];
    const { labels, data, split } = this.shown;
    const label = labels[index];
    const judged = split === "test";
    const wrong = judged ? this.#panels.filter(({ guesses }) => guesses[index] !== label) : [];
    const disagree = judged && disagreeOn(this.#panels.map(({ guesses }) => guesses), index);
    const sheet = Math.floor(place / SHEET);
    const wanted = this.#indices.slice(sheet * SHEET, (sheet + 1) * SHEET);
    const at = place - sheet * SHEET;
    const about = this.#describe(index);
    const image = h("i", { class: "image" });
    image.style.backgroundImage = `url("${sheetUrl(data, split, wanted)}")`;
    image.style.backgroundSize = `${SHEET_COLUMNS * SIDE}px auto`;
    image.style.backgroundPosition = `${-(at % SHEET_COLUMNS) * SIDE}px ${-Math.floor(at / SHEET_COLUMNS) * SIDE}px`;
    const cell = h(
      "div",
      {
        class: `cell class-${label}${wrong.length ? " wrong" : ""}`,
        id: `strip-${place}`,
        role: "option",
        "aria-setsize": this.#indices.length,
        "aria-posinset": place + 1,
        "aria-selected": place === this.#active,
        "aria-label": about.join(" · "),
        title: about.join("\n"),
        "data-place": place,
      },
      image,
      h("span", { class: "marks" }, wrong.map((run) => h("i", { class: `glyph run-${run.index}` })), disagree ? h("b", {}, "≠") : null),
    );
    cell.style.left = `${Math.floor(place / this.#rows) * CELL}px`;
    cell.style.top = `${(place % this.#rows) * ROW}px`;
    this.#cells.set(place, cell);
    return cell;
  }

  /** An image in words, and what each run takes it for. */
  #describe(index) {
    const { labels, split } = this.shown;
    const said = this.#panels.map(({ name, guesses }) => `${name}: ${guesses[index] ?? "not seen"}`);
    return [`#${index}, a ${labels[index]}`, ...(split === "test" ? said : ["a training image"])];
  }

  /** Says under the strip what a finger or the keys point at: both see no title. */
  #tell() {
    const index = this.#indices[this.#active];
    say(this.about, index === undefined ? HINT : this.#describe(index).join(" · "));
  }

  #activate(place) {
    this.#cells.get(this.#active)?.setAttribute("aria-selected", "false");
    this.#active = Number(place);
    const cell = this.#cells.get(this.#active);
    cell?.setAttribute("aria-selected", "true");
    if (cell) this.element.setAttribute("aria-activedescendant", cell.id);
    else this.element.removeAttribute("aria-activedescendant");
    this.#on.mark(this.#indices[this.#active] ?? -1);
    this.#tell();
  }

  #key(event) {
    const page = this.#rows * Math.max(1, Math.floor(this.element.clientWidth / CELL) - 1);
    const last = this.#indices.length - 1;
    const to = {
      ArrowLeft: this.#active - this.#rows,
      ArrowRight: this.#active + (this.#active < 0 ? 1 : this.#rows),
      ArrowUp: this.#active - 1,
      ArrowDown: this.#active + 1,
      PageUp: this.#active - page,
      PageDown: this.#active + page,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const place = Math.max(0, Math.min(last, to));
    const left = Math.floor(place / this.#rows) * CELL;
    const { scrollLeft, clientWidth } = this.element;
    if (left < scrollLeft) this.element.scrollLeft = left;
    if (left + CELL > scrollLeft + clientWidth) this.element.scrollLeft = left + CELL - clientWidth;
    this.#fill();
    this.#activate(place);
  }
}
