// The one live connection of a page: /events for all its runs, opened again after it broke, from where it broke off.

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

/** The address of the stream that continues after what `runs` ([{id, seq}…]) hold. Pure. */
export function streamUrl(runs) {
  const ids = runs.map((run) => run.id).join(",");
  return `/events?runs=${ids}&after=${runs.map((run) => run.seq).join(".")}`;
}

/**
 * Follows `runs`, whose `seq` the receiver keeps up to date. `on`: event(event), status(word, seconds to the next try):
 * "connecting", "live", "lost" or "ended". Returns a function that reopens it (after the set of runs has changed, say).
 */
export function follow(runs, on) {
  let source = null;
  let wait = FIRST_WAIT_MS;
  let timer = 0;

  const open = () => {
    clearTimeout(timer);
    source?.close();
    if (runs().length === 0) return on.status("ended");
    on.status("connecting");
    const mine = new EventSource(streamUrl(runs()));
    source = mine;
    mine.onopen = () => {
      wait = FIRST_WAIT_MS;
      on.status("live");
    };
    mine.onmessage = (message) => on.event(JSON.parse(message.data));
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

  addEventListener("online", () => source?.readyState === EventSource.CLOSED && runs().length && open());
  // A page that is left must not hold one of the browser's few connections to this server.
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
  return open;
}
