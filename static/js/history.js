// The address bar: a deliberate step (a selection, a layer, a tool) is one that "back" undoes; what goes on all the time
// (the clock, a view that is dragged) only keeps the address true.

import { decodeState, encodeState } from "./address.js";

// Browsers refuse more than a few hundred changes of an address in some seconds.
const QUIET_MS = 250;

/** Keeps the address of the page. `read()` → state, `restore(state)`: see address.js. */
export class AddressBar {
  #read;
  #pending = null;
  #timer = 0;
  #last = 0; // when the address was changed for the last time

  constructor(read, restore) {
    this.#read = read;
    addEventListener("popstate", () => {
      this.#forget();
      restore(decodeState(location.search));
    });
    addEventListener("pagehide", () => this.#flush());
  }

  /** The state is another one; `deliberate`: one to come back from. */
  changed(deliberate) {
    const query = encodeState(location.search, this.#read());
    const address = `${query ? `?${query}` : location.pathname}${location.hash}`;
    if (!deliberate) {
      this.#pending = address;
      if (performance.now() - this.#last > QUIET_MS) this.#flush();
      else this.#timer ||= setTimeout(() => this.#flush(), QUIET_MS);
      return;
    }
    this.#flush();
    if (address !== location.search + location.hash) history.pushState(null, "", address);
  }

  #flush() {
    if (this.#pending !== null) history.replaceState(null, "", this.#pending);
    this.#last = performance.now();
    this.#forget();
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#pending = null;
  }
}
