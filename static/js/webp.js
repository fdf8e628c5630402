// An animated WebP out of still ones: the browser encodes each frame, this only puts them into one container.
// The format: https://developers.google.com/speed/webp/docs/riff_container. Pure.

const text = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

/** The chunks of a still WebP file that hold its picture: [[name, content]…]. Throws where there is none. */
function pictureOf(file) {
  if (text(file, 0) !== "RIFF" || text(file, 8) !== "WEBP") throw new Error("this is no WebP");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found = [];
  for (let at = 12; at + 8 <= file.length; ) {
    const length = view.getUint32(at + 4, true);
    if (["ALPH", "VP8 ", "VP8L"].includes(text(file, at))) found.push([text(file, at), file.subarray(at + 8, at + 8 + length)]);
    at += 8 + length + (length % 2);
  }
  if (!found.length) throw new Error("this WebP holds no picture");
  return found;
}

function chunk(name, ...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const out = new Uint8Array(8 + length + (length % 2));
  out.set([...name].map((c) => c.charCodeAt(0)));
  new DataView(out.buffer).setUint32(4, length, true);
  let at = 8;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const three = (n) => [n & 255, (n >> 8) & 255, (n >> 16) & 255];

/** One endless animation of `frames` ([{file: a still WebP, ms: how long it is shown}…]), all of width × height pixels. */
export function animatedWebp(frames, width, height) {
  const pictures = frames.map(({ file }) => pictureOf(file));
  const alpha = pictures.flat().some(([name]) => name !== "VP8 ");
  const ANIMATION = 0x02;
  const ALPHA = 0x10;
  const size = [...three(width - 1), ...three(height - 1)];
  const KEEP_NOTHING_UNDER = 0x02; // a frame replaces the one before instead of being blended with it
  const chunks = [
    chunk("VP8X", Uint8Array.of(ANIMATION | (alpha ? ALPHA : 0), 0, 0, 0, ...size)),
    chunk("ANIM", Uint8Array.of(255, 255, 255, 255, 0, 0)),
    ...pictures.map((picture, i) =>
      chunk(
        "ANMF",
        Uint8Array.of(0, 0, 0, 0, 0, 0, ...size, ...three(frames[i].ms), KEEP_NOTHING_UNDER),
        ...picture.map(([name, content]) => chunk(name, content)),
      ),
    ),
  ];
  return chunk("RIFF", Uint8Array.from("WEBP", (c) => c.charCodeAt(0)), ...chunks);
}
