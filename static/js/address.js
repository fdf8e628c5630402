// What a comparison shows, in the address, so that a copied link restores it. Pure.

const FLAGS = { centers: true, means: false, regions: false };

/** The query string for a state, on top of the page's own parameters; only what differs from the start is said. */
export function encodeState(query, state) {
  const out = new URLSearchParams(query);
  const put = (name, value) => (value ? out.set(name, value) : out.delete(name));
  put("epoch", state.epoch ? String(state.epoch) : "");
  put("split", state.split === "train" ? "train" : "");
  put("scale", state.scale === "shared" ? "shared" : "");
  put("hide", state.visible.flatMap((v, k) => (v ? [] : [k])).join("."));
  for (const [name, usual] of Object.entries(FLAGS)) put(name, state[name] === usual ? "" : state[name] ? "1" : "0");
  // A comma in a query needs no escape, and run ids read better without.
  return out.toString().replaceAll("%2C", ",");
}

/** The state that a query string asks for; what it does not say, or says wrongly, is left out. */
export function decodeState(query) {
  const asked = new URLSearchParams(query);
  const state = {};
  const epoch = Number(asked.get("epoch"));
  if (Number.isInteger(epoch) && epoch > 0) state.epoch = epoch;
  if (asked.get("split") === "train") state.split = "train";
  if (asked.get("scale") === "shared") state.scale = "shared";
  const hidden = (asked.get("hide") ?? "").split(".").filter((k) => /^\d$/.test(k)).map(Number);
  if (hidden.length) state.visible = Array.from({ length: 10 }, (_, k) => !hidden.includes(k));
  for (const name of Object.keys(FLAGS)) if (/^[01]$/.test(asked.get(name) ?? "")) state[name] = asked.get(name) === "1";
  return state;
}
