// The order in which points are drawn: shuffled, so that no class always lies on top, and the same every time, so that
// a picture does not flicker from epoch to epoch. Pure.

const orders = new Map();

/** A fixed permutation of 0…n−1. */
export function drawOrder(n) {
  if (!orders.has(n)) {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    let state = 0x9e3779b9;
    for (let i = n - 1; i > 0; i--) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const j = (state >>> 0) % (i + 1);
      const swap = order[i];
      order[i] = order[j];
      order[j] = swap;
    }
    if (orders.size > 8) orders.clear();
    orders.set(n, order);
  }
  return orders.get(n);
}
