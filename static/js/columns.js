// Which columns the table of runs shows, in which order and how wide; and how that stands in the address and is remembered. Pure.

/** The columns where nobody chose any. */
export const USUAL = ["status", "name", "variant", "seed", "epoch", "best_test_accuracy", "accuracy_curve",
  "train_loss", "loss_curve", "duration", "started", "tags"];
/** The same where there is little room: what tells most comes first. */
export const NARROW = ["name", "best_test_accuracy", "status", "accuracy_curve", "epoch", "variant", "train_loss", "loss_curve", "duration", "started", "tags"];
/** How wide a name is there. */
export const NARROW_NAME = 150;

export const LEAST_WIDTH = 48;
export const MOST_WIDTH = 600;

const WIDTHS = { status: 114, name: 200, variant: 74, network: 80, distance: 82, data: 130, seed: 56, epoch: 100, best_test_accuracy: 132, duration: 96, tags: 104, accuracy_curve: 120, notes: 240, id: 300, sweep: 300, comparison: 300, images_per_s: 84 };
const KIND_WIDTHS = { number: 104, time: 148, curve: 96, flag: 84, tags: 112, text: 150, word: 96 };

/** How wide a column is, in CSS pixels: as chosen, or as its field usually is. */
export function widthOf(field, widths) {
  return clampWidth(widths[field.name] ?? WIDTHS[field.name] ?? KIND_WIDTHS[field.kind] ?? 120);
}

export function clampWidth(width) {
  return Math.max(LEAST_WIDTH, Math.min(MOST_WIDTH, Math.round(width)));
}

/** The widths of all columns where there are `room` pixels: the name takes what is left over. */
export function layOut(fields, widths, room) {
  const all = fields.map((field) => widthOf(field, widths));
  const left = room - all.reduce((a, b) => a + b, 0);
  const name = fields.findIndex((field) => field.name === "name");
  if (left > 0) all[name >= 0 ? name : all.length - 1] += left;
  return all;
}

/** `list` with the element at `from` moved to `to`. */
export function moved(list, from, to) {
  const out = list.slice();
  out.splice(Math.max(0, Math.min(list.length - 1, to)), 0, ...out.splice(from, 1));
  return out;
}

/** What an address says of the table: {query, sort, columns (null: not said)}. */
export function readAddress(search, known) {
  const asked = new URLSearchParams(search);
  const columns = (asked.get("columns") ?? "").split(",").filter((name) => known.has(name));
  return { query: asked.get("query") ?? "", sort: sortOf(asked.get("sort") ?? "", known), columns: columns.length ? columns : null };
}

/** A sort by the field's own name, where it has others. */
function sortOf(sort, known) {
  const name = sort.replace(/^-/, "");
  const field = [...known.values()].find((one) => one.aliases.includes(name));
  return field ? sort.replace(name, field.name) : sort;
}

/** The address of a view; `columns` null or usual ones are left out. */
export function writeAddress({ query, sort, columns }, usual = USUAL) {
  const out = new URLSearchParams();
  if (query) out.set("query", query);
  if (sort) out.set("sort", sort);
  if (columns && columns.join() !== usual.join()) out.set("columns", columns.join());
  const text = out.toString().replaceAll("%2C", ",");
  return text ? `/runs?${text}` : "/runs";
}

/** What was remembered, as far as it still makes sense. */
export function readStored(text, known) {
  try {
    const { columns, widths } = JSON.parse(text);
    const kept = (columns ?? []).filter((name) => known.has(name));
    const fits = Object.entries(widths ?? {}).filter(([name, width]) => known.has(name) && Number.isFinite(width));
    return { columns: kept.length ? kept : null, widths: Object.fromEntries(fits.map(([name, width]) => [name, clampWidth(width)])) };
  } catch {
    return { columns: null, widths: {} };
  }
}

/** The sort that a click on a column's head asks for: the best or the newest first, then the other way round. */
export function nextSort(field, sort) {
  const first = field.higher_is_better === true || field.kind === "time" ? "-" : "";
  const [name, sign] = sort.startsWith("-") ? [sort.slice(1), "-"] : [sort, ""];
  if (name !== field.name) return first + field.name;
  return (sign ? "" : "-") + field.name;
}
