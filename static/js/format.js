// Numbers, times and sizes as people read them. Pure; knows nothing of the page.

const THIN = "\u202f";

/** 12345 → "12 345" (narrow no-break spaces). */
export function grouped(n) {
  if (!Number.isFinite(n)) return "–";
  return Math.round(n).toString().replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

/** So many images of a split: "10 000 test images", "12 000 training images". */
export function imagesOf(n, split) {
  return `${grouped(n)} ${split === "train" ? "training" : "test"} images`;
}

/** A share 0…1 as percent with two decimals: 0.97531 → "97.53 %". */
export function percent(share, digits = 2) {
  return Number.isFinite(share) ? `${(share * 100).toFixed(digits)}${THIN}%` : "–";
}

/** A number with about four significant digits and a true minus: 0.04217, 2.302, −431.2, 12 345. */
export function compact(x) {
  if (!Number.isFinite(x)) return "–";
  if (x < 0) return `−${compact(-x)}`;
  const size = x;
  if (size === 0) return "0";
  if (size >= 9999.5) return grouped(x);
  if (size >= 999.5) return x.toFixed(0);
  if (size >= 1) return x.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
  if (size >= 0.001) return x.toFixed(4);
  return x.toExponential(2).replace("-", "−");
}

/** Where a run trains, as server/src/pages/fill.rs writes it: NVIDIA H100 (CUDA), tf32, 1.9 of 85.0 GB in use. */
export function deviceAndPrecision(run) {
  if (!run.device) return "";
  const memory = run.device_memory;
  const gigabytes = (bytes) => (bytes / 1e9).toFixed(1);
  const used = memory ? `, ${gigabytes(memory.used_bytes)} of ${gigabytes(memory.total_bytes)} GB in use` : "";
  return `${run.device}${run.precision ? `, ${run.precision}` : ""}${used}`;
}

/** A metric's value the way its kind is read: accuracies as percent, whole numbers grouped. */
export function metricValue(name, value) {
  if (!Number.isFinite(value)) return "–";
  if (name.endsWith("accuracy")) return percent(value);
  if (name === "images_per_s") return grouped(value);
  if (name === "epoch_seconds" || name === "angular_margin") return value.toFixed(1).replace("-", "−");
  if (name.startsWith("epochs_to")) return String(value);
  return compact(value);
}

/** Seconds as a length of time: 8 s, 1 min 20 s, 2 h 5 min. */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  const minutes = Math.round((s % 3600) / 60);
  return minutes ? `${Math.floor(s / 3600)} h ${minutes} min` : `${Math.floor(s / 3600)} h`;
}

/** A length of time for an estimate: no false precision above a minute. */
export function roughly(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 10) return "seconds";
  if (seconds < 60) return `${Math.round(seconds / 5) * 5} s`;
  if (seconds < 90 * 60) return `${Math.max(1, Math.round(seconds / 60))} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A coordinate for a tooltip: two decimals, a true minus sign. */
export function coordinate(x) {
  return Number.isFinite(x) ? x.toFixed(2).replace("-", "−") : "not finite";
}

/** A tick label: as many decimals as the step between ticks needs, a true minus sign. */
export function tickLabel(value, step) {
  const decimals = Math.max(0, Math.min(8, -Math.floor(Math.log10(step) + 1e-9)));
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? "0" : text.replace("-", "−");
}
