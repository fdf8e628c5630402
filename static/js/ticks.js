// Where an axis puts its ticks. Pure.

/** Round numbers from min to max, about `count` of them, with the step between them. */
export function linearTicks(min, max, count) {
  const span = max - min;
  if (!(span > 0) || !Number.isFinite(span)) return { step: 1, values: [] };
  const raw = span / Math.max(1, count);
  const power = Math.pow(10, Math.floor(Math.log10(raw)));
  const step = power * ([1, 2, 5].find((m) => m * power >= raw * 0.999) ?? 10);
  const values = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) values.push(i * step);
  return { step, values };
}

/** Numbers that begin with 1, 2 or 5 from min to max, for a logarithmic axis. */
export function logTicks(min, max) {
  if (!(min > 0) || !(max >= min) || !Number.isFinite(max)) return [];
  const powers = Array.from({ length: Math.ceil(Math.log10(max)) - Math.floor(Math.log10(min)) + 1 }, (_, i) => Math.floor(Math.log10(min)) + i);
  return powers.flatMap((power) => [1, 2, 5].map((m) => Number(`${m}e${power}`))).filter((tick) => tick >= min && tick <= max);
}
