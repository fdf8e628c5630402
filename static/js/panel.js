// One run in a comparison: its header, its plot, what the plot says while there is nothing to draw, and the card about the
// image under the pointer.

import { Scatter } from "./scatter.js";
import { h, keepDataTable, role, say } from "./dom.js";
import { coordinate, grouped, imagesOf, percent, roughly } from "./format.js";
import { epochSecondsLeft, hasEnded, newestEpoch, reportAt, runSecondsLeft, trailOf } from "./fold.js";
import { imageUrl } from "./images.js";

const HINT_MS = 1500;

export class Panel {
  /** Called with the report of an epoch after the first frame that shows its points. */
  onDrawn = null;
  #undrawn = null; // the report whose points no frame has shown yet
  drawnEpoch = 0; // of the points in the last frame
  shown = null; // {epoch, split, data, report, embedding, labels, alignment}
  refused = ""; // why its points are not shown beside the others
  #element;
  #card;
  #note;
  #outside;
  #updateTable;
  axes = ""; // which ones the plot has, in words
  #axes;
  #hint;
  #hintTimer = 0;
  #guest = null;

  /** `element`: the server's <article>; `on`: see Scatter, and changes(word) for "gained" and "lost". */
  constructor(element, run, palette, on) {
    this.#element = element;
    this.run = run;
    /** Its variant, and what tells it from others of the same variant. */
    this.label = element.dataset.label;
    const plot = role(element, "plot");
    plot.replaceChildren();
    plot.tabIndex = 0;
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-roledescription", "scatter plot");
    this.plot = plot;
    this.#note = h("div", { class: "plot-note" });
    this.#outside = h("div", { class: "plot-outside", hidden: true });
    this.#axes = h("div", { class: "plot-axes" });
    this.#hint = h("div", { class: "plot-hint", hidden: true }, "Ctrl or ⌘ and the wheel zoom");
    this.#card = h(
      "div",
      { class: "card", hidden: true },
      h("img", { alt: "", width: "56", height: "56", decoding: "async" }),
      h("div", { class: "card-text" }, h("b"), h("span"), h("small")),
    );
    this.scatter = new Scatter(plot, palette, { ...on, hint: () => this.#showHint(), drawn: (stats) => this.#drawn(stats) });
    plot.append(this.#note, this.#axes, this.#outside, this.#hint, this.#card);
    role(element, "changes").addEventListener("click", (event) => {
      const word = event.target.closest("button")?.dataset.role;
      if (word) on.changes(word);
    });
    this.#updateTable = keepDataTable(role(element, "as-table"), ({ classFigures }) => classFigures(this.run, this.shown));
  }

  /** Brings the header up to date; `cursor` is the epoch asked for. */
  update(cursor) {
    const { run } = this;
    const element = this.#element;
    const report = cursor ? reportAt(run, cursor) : null;
    const status = role(element, "status");
    say(status, run.status);
    status.className = `status status-${run.status.toLowerCase()}`;
    if (run.reason) status.title = run.reason;
    const epoch = report?.epoch ?? 0;
    say(role(element, "epoch"), `${epoch} / ${run.epochs}`);
    say(role(element, "accuracy"), report ? percent(report.metrics.test_accuracy) : "–");
    const speed = hasEnded(run.status) ? report?.metrics.images_per_s : run.images_per_s;
    say(role(element, "speed"), speed ? `${grouped(speed)} images/s` : "");
    const active = !hasEnded(run.status);
    const share = active && run.steps ? run.step / run.steps : 0;
    const bar = role(element, "bar");
    bar.style.transform = `scaleX(${hasEnded(run.status) ? 0 : share})`;
    bar.parentElement.title = active && run.steps ? `step ${run.step} of ${run.steps}` : "";
    role(element, "stop-run").hidden = !active;
    const left = active ? runSecondsLeft(run) : null;
    say(role(element, "left"), left === null ? "" : `${roughly(left)} left`);
    element.dataset.status = run.status.toLowerCase();
    this.#say();
  }

  /** What stands in the plot while there are no points, and why there won't be more. */
  #say() {
    const { run } = this;
    // Who stops a run knows why: the reason says it all.
    const stopped = run.status === "KILLED" ? capital(run.reason ?? "stopped") : null;
    const ended = stopped ?? { FAILED: "Failed", INTERRUPTED: "Interrupted" }[run.status];
    const line = role(this.#element, "ended");
    line.hidden = !(ended && this.shown);
    say(role(line, "why"), stopped ?? (ended ? `${ended}: ${run.reason ?? ""}` : ""));
    // A failure's reason says what to do about it.
    role(line, "next").hidden = run.status === "FAILED";
    let title = "";
    let detail = "";
    if (this.refused) {
      title = "Not comparable";
      detail = this.refused;
    } else if (ended && this.shown) {
      // The points stay in full sight: the reason stands in the header.
    } else if (ended) {
      title = ended;
      const next = "“Resume” on its own page goes on with it, “New run” starts another.";
      detail = stopped ? next : `${run.reason ?? ""}${run.status === "FAILED" ? "" : `. ${next}`}`;
    } else if (!this.shown) {
      if (run.status === "SCHEDULED") {
        title = "Waiting for its turn";
        detail = "It starts when a running one ends.";
      } else if (run.status === "FINISHED") {
        title = "Loading…";
      } else if (run.message) {
        title = "Preparing the data";
        detail = run.message;
      } else if (newestEpoch(run)) {
        title = "Loading…";
      } else {
        const seconds = epochSecondsLeft(run);
        title = "First epoch under way";
        if (!run.steps) detail = "Getting ready…";
        else if (run.step === run.steps) detail = "Trained on every image once: the test images are next, then the first points";
        else detail = `${Math.floor((100 * run.step) / run.steps)} %${seconds === null ? "" : ` · first points in ${roughly(seconds)}`}`;
      }
    }
    const text = `${title}\n${detail}`;
    if (this.#note.dataset.text === text) return;
    this.#note.dataset.text = text;
    this.#note.hidden = !title;
    this.#note.replaceChildren(h("b", {}, title), h("span", {}, detail));
  }

  #showHint() {
    this.#hint.hidden = false;
    clearTimeout(this.#hintTimer);
    this.#hintTimer = setTimeout(() => (this.#hint.hidden = true), HINT_MS);
  }

  /** Something went wrong with this plot only. */
  complain(message) {
    this.#note.hidden = false;
    this.#note.dataset.text = "";
    this.#note.replaceChildren(h("b", {}, "The points could not be loaded"), h("span", {}, message));
  }

  /** Says which axes these are: those of two networks are not comparable as such. */
  nameAxes(text) {
    this.axes = text;
    say(this.#axes, text);
  }

  /** Shows no points, where they turn out to be of other images than those beside them. */
  clear() {
    this.mark(-1);
    this.shown = null;
    this.scatter.clear();
    this.setChanges(null);
    this.#updateTable();
  }

  /** Draws the points of an epoch, or what lies `t` of the way to those of the `next` one; whether they are others than before. */
  show(shown, next, t) {
    const other = shown.embedding !== this.shown?.embedding || shown.alignment !== this.shown.alignment;
    if (other) {
      // Between two epochs the clock moves the points; otherwise they glide to where they belong.
      const glide = !next && shown.split === this.shown?.split;
      this.shown = shown;
      this.#undrawn = shown.report;
      this.scatter.setData({ ...pointsOf(shown), trail: trailOf(this.run.history, shown.epoch).map((plane) => planeOf(plane, shown)) }, glide);
      this.#updateTable();
      this.setGuest(this.#guest);
      this.plot.setAttribute(
        "aria-label",
        `Embedding of ${imagesOf(shown.embedding.n, shown.split)} of ${this.run.name} after epoch ${shown.epoch}. ` +
          `Shift and arrow keys move, plus and minus (or Ctrl and the wheel) zoom, 0 resets, Enter selects what is in view.`,
      );
      this.#say();
    }
    this.scatter.setBetween(next && pointsOf(next), t);
    return other;
  }

  /** Says how many images changed sides: {gained, lost, since: the epoch before}, or null where that is not known. */
  setChanges(changes) {
    const place = role(this.#element, "changes");
    // Invisible, not gone: the plot under it stays where it is.
    place.classList.toggle("unknown", !changes);
    if (!changes) return;
    say(role(place, "since"), `vs epoch ${changes.since}`);
    for (const [word, sign, what] of [
      ["gained", "+", "newly recognised"],
      ["lost", "−", "no longer recognised"],
    ]) {
      const button = role(place, word);
      say(button, `${sign}${grouped(changes[word])}`);
      button.disabled = changes[word] === 0;
      button.title = `${grouped(changes[word])} images ${what} since epoch ${changes.since}: select them`;
      button.setAttribute("aria-label", button.title);
    }
  }

  /** Shows where an image that is none of the test set lands: {place: [x, y] in the raw plane, label: what it is taken for}, or null. */
  setGuest(guest) {
    this.#guest = guest;
    const alignment = this.shown?.alignment;
    this.scatter.setGuest(guest && alignment ? { ...guest, place: alignment.point(guest.place) } : guest);
  }

  /** Which part of the plot is in sight, in its own pixels: {top, bottom}. `bar` and `sheet`: the boxes that may cover it from below and from above. */
  inSight(bar, sheet) {
    const { top, bottom, right } = this.plot.getBoundingClientRect();
    const ceiling = sheet.left < right ? Math.max(0, sheet.bottom) : 0;
    return { top: Math.max(0, ceiling - top), bottom: Math.min(bottom, bar.top, innerHeight) - top };
  }

  /** Points at an image, −1 for none; `sight`: the part of the plot that can be seen. */
  mark(index, sight) {
    this.scatter.setMark(index);
    const place = index >= 0 && this.shown ? this.scatter.markPlace() : null;
    this.#card.hidden = !place;
    if (!place) return;
    const { labels, split, data, embedding } = this.shown;
    const label = labels[index];
    const guess = embedding.guesses[index];
    const [image, text] = this.#card.children;
    const source = imageUrl(data, split, index);
    if (image.getAttribute("src") !== source) image.setAttribute("src", source);
    const right = guess === label;
    // A training image lies where its own step put it; what the epoch's last layer would make of that is nobody's prediction.
    const judged = split === "test";
    text.children[0].replaceChildren(
      h("i", { class: `swatch class-${label}` }),
      `${label}`,
      judged ? h("span", { class: right ? "right" : "wrong" }, right ? " ✓" : ` → ${guess} ✗`) : "",
    );
    say(text.children[1], !judged ? "as its step saw it" : right ? "recognised" : `a ${label}, taken for ${guess}`);
    say(text.children[2], `${coordinate(place.x)}, ${coordinate(place.y)} · #${index}`);
    // In the corner that is farthest from the point, so that the card never covers the neighbourhood looked at.
    const vertical = place.top > (sight.top + sight.bottom) / 2 ? "top" : "bottom";
    const horizontal = place.left > place.width / 2 ? "left" : "right";
    this.#card.style.setProperty("--hidden-above", `${sight.top}px`);
    this.#card.style.setProperty("--hidden-below", `${place.height - sight.bottom}px`);
    this.#card.dataset.corner = `${vertical}-${horizontal}`;
  }

  /** What a test may read of it: see inspect.js. */
  inspect() {
    const { run, scatter, shown } = this;
    return {
      run: run.id,
      status: run.status,
      epochs_received: run.history.length,
      epoch: shown?.report.epoch ?? 0,
      drawn_epoch: this.drawnEpoch,
      split: shown?.split ?? null,
      zoomed: scatter.view !== null,
      view: scatter.view,
      aligned: shown?.alignment ?? null,
      ...scatter.stats,
      place_of: (index) => scatter.placeOf(index),
    };
  }

  #drawn({ outside }) {
    if (this.#undrawn) {
      const report = this.#undrawn;
      this.#undrawn = null;
      this.drawnEpoch = report.epoch;
      this.onDrawn?.(report);
    }
    const hidden = outside === 0;
    if (this.#outside.hidden !== hidden) this.#outside.hidden = hidden;
    if (!hidden) say(this.#outside, `${grouped(outside)} outside`);
  }
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

/** What a plot draws of an epoch; with an alignment, everything where it takes them. */
function pointsOf(shown) {
  const { embedding, labels, report, alignment } = shown;
  const n = Math.min(embedding.n, labels.length);
  const cut = (array) => (array.length === n ? array : array.subarray(0, n));
  const { x, y } = alignment ? alignment.points(embedding) : embedding;
  return { x: cut(x), y: cut(y), labels: cut(labels), geometry: planeOf(report.geometry, shown) };
}

function planeOf(geometry, { alignment }) {
  return alignment ? alignment.geometry(geometry) : geometry;
}

/** Why a run of `data` is not shown beside those of the `common` data; "" as long as that is not known. Pure. */
export function refusal(data, common) {
  if (!data || data.digest === common.digest) return "";
  return `This run sees other images (${data.name}) than those beside it (${common.name}): point i would not be the same one in both. Compare it with runs of its own data.`;
}
