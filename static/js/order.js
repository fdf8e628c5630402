// The order in which points are drawn: far-flung, so that no class always lies on top, and the same every time, so that a
// picture does not flicker from epoch to epoch. Pure.

const orders = new Map();

/** A fixed permutation of 0…n−1: around the circle in steps of the golden section, which come down evenly wherever they have got to. */
export function drawOrder(n) {
  if (!orders.has(n)) {
    let step = Math.round(n * 0.618034);
    while (n > 1 && divisor(step, n) > 1) step++;
    const order = new Uint32Array(n);
    for (let i = 0, at = 0; i < n; i++) {
      order[i] = at;
      at += step;
      if (at >= n) at -= n;
    }
    if (orders.size > 8) orders.clear();
    orders.set(n, order);
  }
  return orders.get(n);
}

/** The greatest common divisor. */
function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}
