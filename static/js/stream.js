// The one live connection of a page, opened again after it broke, from where it broke off.

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

/** The address of the stream that continues after what `runs` ([{id, seq}…]) hold; null where there are none. Pure. */
export function streamUrl(runs) {
  if (runs.length === 0) return null;
  const ids = runs.map((run) => run.id).join(",");
  return `/events?runs=${ids}&after=${runs.map((run) => run.seq).join(".")}`;
}

/**
 * Follows the stream at `address()`, which says where to go on from, or null where there is nothing to follow. `on`:
 * event(event, id), reload(id) (of a list: what was missed can't be told), status(word, seconds to the next try): "connecting",
 * "live", "lost" or "ended". Returns a function that
 * reopens it (after the set of runs has changed, say).
 *
 * Only while the page is in sight: a browser has few connections to one server, and tabs behind others would hold them all. Since
 * the address says where to go on from, nothing is lost.
 */
export function follow(address, on) {
  let source = null;
  let wait = FIRST_WAIT_MS;
  let timer = 0;

  const close = () => {
    clearTimeout(timer);
    source?.close();
  };

  const open = () => {
    close();
    if (document.hidden) return;
    const url = address();
    if (!url) return on.status("ended");
    on.status("connecting");
    const mine = new EventSource(url);
    source = mine;
    mine.onopen = () => {
      wait = FIRST_WAIT_MS;
      on.status("live");
    };
    mine.onmessage = (message) => on.event(JSON.parse(message.data), message.lastEventId);
    mine.addEventListener("reload", (message) => on.reload(message.lastEventId));
    mine.addEventListener("end", () => {
      mine.close();
      on.status("ended");
    });
    // The browser's own retry would start from the last event's id, too, but gives up for good after an HTTP error.
    const retry = () => {
      mine.close();
      if (mine !== source) return;
      on.status("lost", Math.round(wait / 1000));
      timer = setTimeout(open, wait);
      wait = Math.min(LONGEST_WAIT_MS, wait * 1.7);
    };
    mine.addEventListener("shutdown", retry);
    mine.onerror = retry;
  };

  addEventListener("online", () => source?.readyState === EventSource.CLOSED && address() && open());
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
  return open;
}
