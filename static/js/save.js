// What can be taken away from a comparison: pictures of its plots and of its curves, the epochs as an animation, the points
// as a table, and the whole of it as one file. Loaded when the menu is opened first.

import { animatedWebp } from "./webp.js";
import { curveCanvas, curveSvg } from "./curve-figure.js";
import { figureCanvas, figureSvg } from "./figure.js";
import { download, h, say } from "./dom.js";
import { newestEpoch, reportAt } from "./fold.js";

const RATIO = 2;
const MOST_FRAMES = 120;
const FRAME_MS = 500;
const LAST_FRAME_MS = 2000;
const WEBP_QUALITY = 0.92;
const PATIENCE_MS = 15_000;
const EDGE = 10; // pixels between the menu and the window's edge

/** A file name of letters, figures and hyphens. Pure. */
export function fileName(parts, ending) {
  const words = parts.map((part) => String(part).toLowerCase().replace(/[^a-z0-9.]+/g, "-").replace(/^-+|-+$/g, ""));
  return `${["centerscope", ...words].filter(Boolean).join("-").slice(0, 100)}.${ending}`;
}

/** The epochs 1…newest, at most `most` of them, evenly chosen, the newest among them. Pure. */
export function framesOf(newest, most = MOST_FRAMES) {
  const count = Math.min(newest, most);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 1) * newest) / count));
}

/** Fills the menu `details`, which belongs to `comparison`. */
export function keepSaveMenu(details, comparison) {
  const { runs } = comparison;
  const which = h(
    "select",
    { "aria-label": "Which plots" },
    runs.length > 1 ? h("option", { value: "all" }, "All plots") : null,
    runs.map((run, i) => h("option", { value: String(i) }, run.name)),
  );
  const charts = comparison.charts.all;
  const curves = h(
    "select",
    { "aria-label": "Which curves" },
    charts.map((chart, i) => h("option", { value: String(i) }, chart.title)),
  );
  const note = h("output", { class: "save-note" });
  const chosen = () => (which.value === "all" ? comparison.panels : [comparison.panels[Number(which.value)]]).filter((panel) => panel.shown);
  const named = (panels, ...more) => [...panels.map((panel) => panel.label), ...more];

  /** A button that does something slow or fallible to the chosen plots, and says how it went. */
  const button = (text, title, act) =>
    h(
      "button",
      {
        type: "button",
        title,
        onclick: async (event) => {
          const panels = chosen();
          if (!panels.length) return say(note, "There are no points yet: try again after the first epoch.");
          const { currentTarget } = event;
          currentTarget.disabled = true;
          say(note, "");
          try {
            say(note, (await act(panels)) ?? "Saved.");
          } catch (error) {
            say(note, `That failed: ${error.message}. Try again.`);
          }
          currentTarget.disabled = false;
        },
      },
      text,
    );

  const body = h(
    "div",
    { class: "save-body" },
    row("Picture", which, button("PNG", "A picture of twice the size", savePng), button("SVG", "A drawing that can be edited", saveSvg)),
    charts.length ? row("Curves", curves, button("PNG", "A picture of twice the size", saveCurvesPng), button("SVG", "A drawing that can be edited", saveCurvesSvg)) : null,
    row("Epochs", button("Animation (WebP)", "Every epoch, one after the other, as an animated picture", saveAnimation)),
    row("Table", button("Points (CSV)", "Where each image lies in the shown epoch, and what it is taken for", savePoints)),
    h(
      "div",
      { class: "save-row needs-server" },
      h("span", { class: "label" }, "Everything"),
      h("a", { class: "button", href: `/compare/replay?runs=${runs.map((run) => run.id).join(",")}`, download: "" }, "Offline replay (HTML)"),
    ),
    note,
  );
  details.append(body);
  /** Moves the menu to the left as far as it sticks out of the window. */
  const place = () => {
    body.style.setProperty("--shift", "0px");
    const { right } = body.getBoundingClientRect();
    body.style.setProperty("--shift", `${Math.min(0, document.documentElement.clientWidth - EDGE - right)}px`);
  };
  details.addEventListener("toggle", place);
  addEventListener("resize", place);
  place();
  document.addEventListener("pointerdown", (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
  // Wherever the focus is, and before the page takes the key for its own.
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || !details.open) return;
      event.stopPropagation();
      details.open = false;
      details.querySelector("summary").focus();
    },
    true,
  );

  /** What a picture shows: as the page. */
  const options = () => ({ ...comparison.state, selected: comparison.selection.rule ? comparison.selection.words : "" });

  async function savePng(panels) {
    const canvas = figureCanvas(panels, options(), RATIO);
    download(await encoded(canvas, "image/png"), fileName(named(panels, "epoch", comparison.epoch), "png"), "image/png");
  }

  async function saveSvg(panels) {
    download(figureSvg(panels, options()), fileName(named(panels, "epoch", comparison.epoch), "svg"), "image/svg+xml");
  }

  const chart = () => charts[Number(curves.value)].shown;
  const curvesName = (ending) => fileName([...comparison.panels.map((panel) => panel.label), chart().title], ending);

  async function saveCurvesPng() {
    download(await encoded(curveCanvas(chart(), RATIO), "image/png"), curvesName("png"), "image/png");
  }

  async function saveCurvesSvg() {
    download(curveSvg(chart()), curvesName("svg"), "image/svg+xml");
  }

  async function savePoints(panels) {
    const { toCsv } = await import("./selection-panel.js");
    const { labels } = panels[0].shown;
    const runs = panels.map(({ run, shown }) => ({ name: run.name, shown }));
    download(toCsv([...labels.keys()], labels, runs), fileName(named(panels, panels[0].shown.split, "epoch", comparison.epoch), "csv"), "text/csv");
  }

  /** Lets the page itself walk through the epochs, and takes a picture of each. */
  async function saveAnimation(panels) {
    const { clock } = comparison;
    const before = clock.kept;
    const epochs = framesOf(Math.max(...panels.map((panel) => newestEpoch(panel.run))));
    const frames = [];
    let canvas;
    try {
      for (const epoch of epochs) {
        say(note, `Epoch ${epoch} of ${epochs.at(-1)}…`);
        clock.seek(epoch);
        await shown(panels, epoch);
        canvas = figureCanvas(panels, options(), 1);
        const file = await encoded(canvas, "image/webp", WEBP_QUALITY);
        frames.push({ file: new Uint8Array(await file.arrayBuffer()), ms: epoch === epochs.at(-1) ? LAST_FRAME_MS : FRAME_MS });
      }
    } finally {
      if (before) clock.seek(before);
      else clock.followNewest();
    }
    download(animatedWebp(frames, canvas.width, canvas.height), fileName(named(panels, "epochs"), "webp"), "image/webp");
    return `Saved, ${frames.length} epochs.`;
  }
}

function row(label, ...controls) {
  return h("div", { class: "save-row" }, h("span", { class: "label" }, label), controls);
}

/** Waits until the plots show `epoch`, or their last before it. */
function shown(panels, epoch) {
  const end = performance.now() + PATIENCE_MS;
  return new Promise((resolve, reject) => {
    const look = () => {
      if (panels.every((panel) => panel.shown?.report.epoch === (reportAt(panel.run, epoch)?.epoch ?? panel.shown?.report.epoch))) resolve();
      else if (performance.now() > end) reject(new Error(`the points of epoch ${epoch} did not come`));
      else requestAnimationFrame(look);
    };
    look();
  });
}

function encoded(canvas, type, quality) {
  return new Promise((resolve, reject) => {
    const done = (blob) => {
      if (blob?.type === type) resolve(blob);
      else reject(new Error(`this browser cannot write ${type.split("/")[1].toUpperCase()}; Chromium and Firefox can`));
    };
    canvas.toBlob(done, type, quality);
  });
}
