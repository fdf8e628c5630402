// The stream that keeps a list of any length up to date: the summaries of the runs that changed, as they are now.

import { follow } from "./stream.js";

/** The address of the stream that continues after a position. Pure. */
export function summariesUrl(position) {
  return `/events/summaries?after=${position}`;
}

/**
 * Follows all runs from `position` on: `take(runs, gone)` for each piece of news, `reload()` where the server is another one than
 * before and can't tell what was missed, `onStatus` as in stream.js.
 */
export function followSummaries(position, take, reload, onStatus) {
  return follow(() => summariesUrl(position), {
    event: ({ runs, gone }, id) => {
      position = id;
      take(runs, gone);
    },
    reload: (id) => {
      position = id;
      reload();
    },
    status: onStatus,
  });
}
