// The clock of a comparison: play, one lane a run that shows which epochs there are, and a playhead over all of them.

import { h, press, say } from "./dom.js";

const PLAY_MS = 700;

/** The epoch under a pointer at `share` (0…1) of lanes that are `epochs` long. Pure. */
export function epochAt(share, epochs) {
  return Math.max(1, Math.min(epochs, Math.round(share * epochs)));
}

/** `on`: seek(epoch), follow(). Put `element` into the page and call `update` whenever anything changed. */
export class Transport {
  #on;
  #state = { epoch: 0, newest: 0, epochs: 1, follow: true };
  #timer = 0;

  constructor(on, extra) {
    this.#on = on;
    this.play = h("button", { class: "icon", type: "button", "aria-label": "Play the epochs", onclick: () => this.toggle() });
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
    this.live = h("button", { class: "live", type: "button", onclick: () => this.#follow() }, h("span", { class: "dot" }), h("span", {}, "Live"));
    this.live.title = "Follow the newest epoch (End)";
    this.element = h(
      "div",
      { class: "transport", role: "group", "aria-label": "Epoch" },
      h("div", { class: "buttons" }, this.previous, this.play, this.next),
      this.slider,
      this.readout,
      this.live,
      extra,
    );
    this.#listen();
    this.#showPlay();
  }

  #step(label, sign, by) {
    return h("button", { class: "icon", type: "button", "aria-label": label, title: label, onclick: () => this.step(by) }, sign);
  }

  /** Goes `by` epochs on. */
  step(by) {
    this.stop();
    this.#seek(this.#state.epoch + by);
  }

  #seek(epoch) {
    const { newest } = this.#state;
    if (newest) this.#on.seek(Math.max(1, Math.min(newest, epoch)));
  }

  #follow() {
    this.stop();
    this.#on.follow();
  }

  /** Plays from here, from the start at the end, or pauses. */
  toggle() {
    if (this.#timer) return this.stop();
    if (this.#state.newest < 2) return;
    if (this.#state.epoch >= this.#state.newest) this.#seek(1);
    this.#timer = setInterval(() => {
      if (this.#state.epoch >= this.#state.newest) this.stop();
      else this.#seek(this.#state.epoch + 1);
    }, PLAY_MS);
    this.#showPlay();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#showPlay();
  }

  #showPlay() {
    const playing = this.#timer !== 0;
    this.play.dataset.icon = playing ? "pause" : "play";
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play the epochs");
    this.play.title = playing ? "Pause (space)" : "Play the epochs (space)";
  }

  #listen() {
    const seekTo = (event) => {
      const box = this.lanes.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      this.stop();
      this.#seek(epochAt(share, this.#state.epochs));
    };
    this.slider.addEventListener("pointerdown", (event) => {
      this.slider.setPointerCapture(event.pointerId);
      seekTo(event);
    });
    this.slider.addEventListener("pointermove", (event) => {
      if (this.slider.hasPointerCapture(event.pointerId)) seekTo(event);
    });
    // The page's arrow keys belong to the clock wherever nothing else wants them.
    document.addEventListener("keydown", (event) => {
      const busy = event.target.closest?.("input, select, textarea, [contenteditable], summary, a, button, .u-over");
      if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      if (busy && (event.key === " " || !busy.matches("button"))) return;
      const act = {
        ArrowLeft: () => this.step(-1),
        ArrowRight: () => this.step(1),
        Home: () => this.step(-Infinity),
        End: () => this.#follow(),
        " ": () => this.toggle(),
      }[event.key];
      if (!act) return;
      // Home and End scroll a page whose clock is out of sight; the keys move the clock only where it can be seen.
      const { top, bottom } = this.element.getBoundingClientRect();
      if (bottom < 0 || top > innerHeight) return;
      event.preventDefault();
      act();
    });
  }

  /** `lanes`: [{colour index, done, share of the epoch under way, over}…]. */
  update({ epoch, newest, epochs, follow, lanes }) {
    this.#state = { epoch, newest, epochs, follow };
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
    this.head.style.left = `${(epoch / epochs) * 100}%`;
    this.head.hidden = epoch === 0;
    this.slider.setAttribute("aria-valuemax", String(Math.max(1, newest)));
    this.slider.setAttribute("aria-valuenow", String(epoch));
    this.slider.setAttribute("aria-valuetext", `epoch ${epoch} of ${epochs}`);
    say(this.readout.lastChild, `${epoch} / ${epochs}`);
    press(this.live, follow);
    say(this.live.lastChild, lanes.every((lane) => lane.over) ? "Newest" : "Live");
    this.previous.disabled = epoch <= 1;
    this.next.disabled = epoch >= newest;
    this.play.disabled = newest < 2;
  }
}
