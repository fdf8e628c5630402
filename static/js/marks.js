// How each of many groups is marked: a shape, a colour, a filling and a dash of its line. The server's tables
// (server/src/pages/sweep.rs) have the same classes. Pure.

const SHAPES = 6;

/** The mark of group `i`; the first 108 differ. */
export function markOf(i) {
  const block = Math.floor(i / SHAPES);
  return { shape: i % SHAPES, hue: (i + block) % SHAPES, filling: Math.floor(block / SHAPES) };
}

/** The classes of a group's glyph. */
export function glyphOf(i) {
  const { shape, hue, filling } = markOf(i);
  return `glyph shape-${shape} hue-${hue} filling-${filling}`;
}

/** The dashes of a group's line, as a canvas takes them: each block of six groups has its own; none for the first. */
export function dashOf(i) {
  return [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [14, 4, 5, 4]][Math.floor(i / SHAPES) % SHAPES];
}
