// The filters that were used lately, the newest first: kept by the browser.

const STORE = "runs-queries";
const MOST = 20;

/** `list` with `query` in front, once, and not longer than `most`. Pure. */
export function withRecent(list, query, most = MOST) {
  return query ? [query, ...list.filter((other) => other !== query)].slice(0, most) : list;
}

export function recentQueries() {
  try {
    const list = JSON.parse(localStorage.getItem(STORE));
    return Array.isArray(list) ? list.filter((query) => typeof query === "string") : [];
  } catch {
    return []; // Storage is off, or holds something else.
  }
}

export function rememberQuery(query) {
  try {
    localStorage.setItem(STORE, JSON.stringify(withRecent(recentQueries(), query)));
  } catch {
    // Storage is off: nothing is offered again.
  }
}

export function forgetQueries() {
  try {
    localStorage.removeItem(STORE);
  } catch {
    // Nothing was kept.
  }
}
