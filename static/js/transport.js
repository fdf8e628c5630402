// The clock's face: play, one lane a run that shows which epochs there are, a playhead over all of them, the speed.

import { SPEEDS } from "./clock.js";
import { h, press, say } from "./dom.js";

const DRAG_PIXELS = 4;

/** The moment under a pointer at `share` (0…1) of lanes that are `epochs` long. Pure. */
export function momentAt(share, epochs) {
  return Math.max(1, Math.min(epochs, share * epochs));
}

/** Shows and moves `clock`. Put `element` into the page and call `update` whenever anything changed. */
export class Transport {
  #clock;
  #within;
  #epochs = 1;

  /** `within`: the element that shows the clock's moment, and its keys belong to; `extra`: what else stands in the bar. */
  constructor(clock, within, extra) {
    this.#clock = clock;
    this.#within = within;
    this.play = h("button", { class: "icon", type: "button", onclick: () => clock.toggle() });
    this.previous = this.#step("Previous epoch (←)", "‹", -1);
    this.next = this.#step("Next epoch (→)", "›", 1);
    this.lanes = h("div", { class: "lanes" });
    this.head = h("div", { class: "playhead" });
    this.slider = h(
      "div",
      { class: "scrubber", role: "slider", tabindex: "0", "aria-label": "Epoch", "aria-valuemin": "1" },
      this.lanes,
      this.head,
    );
    this.readout = h("output", { class: "readout" }, h("span", {}, "epoch "), h("b"));
    this.speed = h(
      "select",
      { class: "speed", "aria-label": "Speed of playing", title: "Speed of playing", onchange: () => (clock.speed = Number(this.speed.value)) },
      SPEEDS.map((speed) => h("option", { value: speed, selected: speed === clock.speed }, `${speed === 0.5 ? "½" : speed}×`)),
    );
    this.live = h("button", { class: "live", type: "button", onclick: () => clock.followNewest() }, h("span", { class: "dot" }), h("span", {}, "Live"));
    this.live.title = "Follow the newest epoch (End)";
    this.element = h(
      "div",
      { class: "transport", role: "group", "aria-label": "Epoch" },
      h("div", { class: "buttons" }, this.previous, this.play, this.next),
      this.slider,
      this.readout,
      this.speed,
      this.live,
      extra,
    );
    this.#listen();
  }

  #step(label, sign, by) {
    return h("button", { class: "icon", type: "button", "aria-label": label, title: label, onclick: () => this.#clock.step(by) }, sign);
  }

  #listen() {
    const clock = this.#clock;
    let from = null; // where a press began, until it has become a drag
    const under = (event) => {
      const box = this.lanes.getBoundingClientRect();
      return momentAt((event.clientX - box.left) / box.width, this.#epochs);
    };
    this.slider.addEventListener("pointerdown", (event) => {
      this.slider.setPointerCapture(event.pointerId);
      from = event.clientX;
      clock.seek(Math.round(under(event)));
    });
    this.slider.addEventListener("pointermove", (event) => {
      if (!this.slider.hasPointerCapture(event.pointerId)) return;
      if (from !== null && Math.abs(event.clientX - from) < DRAG_PIXELS) return;
      from = null;
      clock.seek(under(event), true);
    });
    // Also after pointerup and pointercancel: the capture ends with both.
    this.slider.addEventListener("lostpointercapture", () => from === null && clock.settle());
    // The page's arrow keys belong to the clock wherever nothing else wants them.
    document.addEventListener("keydown", (event) => {
      const busy = event.target.closest?.("input, select, textarea, [contenteditable], summary, a, button, .u-over");
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      if (busy && (event.key === " " || !busy.matches("button"))) return;
      const act = {
        ArrowLeft: () => clock.step(-1),
        ArrowRight: () => clock.step(1),
        Home: () => clock.seek(1),
        End: () => clock.followNewest(),
        " ": () => clock.toggle(),
      }[event.key];
      if (!act) return;
      // Home and End scroll a page that shows nothing of the moment; the keys move the clock only where that can be seen.
      const { top, bottom } = this.#within.getBoundingClientRect();
      if (bottom < 0 || top > innerHeight) return;
      event.preventDefault();
      act();
    });
  }

  /** `lanes`: [{colour index, epochs, done, share of the epoch under way, over}…]. */
  update({ epochs, lanes }) {
    const { epoch, newest, follow, kept } = this.#clock;
    this.#epochs = epochs;
    while (this.lanes.children.length < lanes.length)
      this.lanes.append(h("div", { class: "lane" }, h("i", { class: "done" }), h("i", { class: "under-way" })));
    lanes.forEach((lane, i) => {
      const element = this.lanes.children[i];
      const length = lane.epochs / epochs;
      element.dataset.run = lane.colour;
      element.style.width = `${length * 100}%`;
      element.style.setProperty("--epochs", lane.epochs <= 60 ? lane.epochs : 1);
      element.children[0].style.width = `${(lane.done / lane.epochs) * 100}%`;
      element.children[1].style.left = element.children[0].style.width;
      element.children[1].style.width = `${lane.over ? 0 : (lane.share / lane.epochs) * 100}%`;
    });
    this.head.hidden = epoch === 0;
    this.slider.setAttribute("aria-valuemax", String(Math.max(1, newest)));
    this.slider.setAttribute("aria-valuenow", String(epoch));
    this.slider.setAttribute("aria-valuetext", `epoch ${epoch} of ${epochs}`);
    // An address may name an epoch that isn't there.
    const missing = kept > newest && newest > 0;
    this.readout.classList.toggle("missing", missing);
    say(this.readout.firstChild, missing ? `no epoch ${kept}${lanes.every((lane) => lane.over) ? "" : " yet"}: ` : "epoch ");
    say(this.readout.lastChild, `${epoch} / ${epochs}`);
    press(this.live, follow);
    say(this.live.lastChild, lanes.every((lane) => lane.over) ? "Newest" : "Live");
    this.previous.disabled = epoch <= 1;
    this.next.disabled = epoch >= newest;
    this.play.disabled = newest < 2;
    this.move();
  }

  /** Moves the playhead: what every frame of a drag needs. */
  move() {
    const { at, playing, previewing } = this.#clock;
    this.head.style.left = `${(at / this.#epochs) * 100}%`;
    this.head.classList.toggle("preview", previewing);
    if (this.play.dataset.icon === (playing ? "pause" : "play")) return;
    this.play.dataset.icon = playing ? "pause" : "play";
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play the epochs");
    this.play.title = playing ? "Pause (space)" : "Play the epochs (space)";
  }
}
