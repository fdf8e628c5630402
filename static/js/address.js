// What a comparison shows, in the address, so that a copied link restores it. Pure.

const FLAGS = { centers: true, means: false, trails: false, regions: false, shading: false, draw: false };
/** The words of each choice; the first is the usual one. */
const CHOICES = { split: ["test", "train"], scale: ["own", "shared", "aligned"], tool: ["move", "lasso", "box"] };

/** What an address that says nothing shows. */
export function usualState() {
  const choices = Object.entries(CHOICES).map(([name, words]) => [name, words[0]]);
  return { epoch: 0, visible: new Array(10).fill(true), ...Object.fromEntries(choices), ...FLAGS, reference: 0, views: [], select: "" };
}

/** The query string for a state, on top of the page's own parameters; only what differs from the usual is said. */
export function encodeState(query, state) {
  const out = new URLSearchParams(query);
  const put = (name, value) => (value ? out.set(name, value) : out.delete(name));
  put("epoch", state.epoch ? String(state.epoch) : "");
  for (const [name, words] of Object.entries(CHOICES)) put(name, state[name] === words[0] ? "" : state[name]);
  put("over", state.scale === "aligned" && state.reference ? String(state.reference + 1) : "");
  put("hide", state.visible.flatMap((v, k) => (v ? [] : [k])).join("."));
  for (const [name, usual] of Object.entries(FLAGS)) put(name, state[name] === usual ? "" : state[name] ? "1" : "0");
  put("view", encodeViews(state.views));
  put("select", state.select);
  // A comma in a query needs no escape, and run ids read better without.
  return out.toString().replaceAll("%2C", ",");
}

/** The state that a query string asks for; what it does not say, or says wrongly, is as usual. */
export function decodeState(query) {
  const asked = new URLSearchParams(query);
  const state = usualState();
  const epoch = Number(asked.get("epoch"));
  if (Number.isInteger(epoch) && epoch > 0) state.epoch = epoch;
  for (const [name, words] of Object.entries(CHOICES)) if (words.includes(asked.get(name))) state[name] = asked.get(name);
  const over = asked.get("over") ?? "";
  if (/^[1-6]$/.test(over)) state.reference = Number(over) - 1;
  const hidden = (asked.get("hide") ?? "").split(".").filter((k) => /^\d$/.test(k)).map(Number);
  state.visible = state.visible.map((_, k) => !hidden.includes(k));
  for (const name of Object.keys(FLAGS)) if (/^[01]$/.test(asked.get(name) ?? "")) state[name] = asked.get(name) === "1";
  state.views = decodeViews(asked.get("view") ?? "");
  state.select = asked.get("select") ?? "";
  return state;
}

/** Views of the plots, null where a plot follows its points: "cx_cy_units", "*" between plots; one where all are alike. */
function encodeViews(views) {
  const words = views.map((view) => (view ? viewWord(view) : ""));
  const alike = words.length > 1 && words.every((word) => word === words[0]);
  return (alike ? words.slice(0, 1) : words).join("*").replace(/^\*+$/, "");
}

/** The view of plot i, or null: one view alone is that of all plots. */
export function viewOf(views, i) {
  return views.length === 1 ? views[0] : (views[i] ?? null);
}

function viewWord({ cx, cy, units }) {
  // To a thousandth of what the plot spans: less than a pixel.
  const digits = Math.max(0, 3 - Math.floor(Math.log10(units)));
  return [cx, cy, units].map((value) => Number(value.toFixed(digits))).join("_");
}

function decodeViews(text) {
  if (!text) return [];
  return text.split("*").map((word) => {
    const [cx, cy, units] = word.split("_").map((part) => (part === "" ? NaN : Number(part)));
    return [cx, cy, units].every(Number.isFinite) && units > 0 ? { cx, cy, units } : null;
  });
}
