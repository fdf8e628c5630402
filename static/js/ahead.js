// What the page's head asked the server for before there were modules (head.js), for whoever asks for it first.

/** The answer at an address: the one that is here or on its way already, else one asked for now. */
export function get(address) {
  const early = window.ahead?.get(address);
  window.ahead?.delete(address);
  return early ?? fetch(address, { headers: { Accept: "application/json" } });
}
