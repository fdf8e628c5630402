// Where the pictures of images are: on the server, unless the page brings its own.

let source = {
  image: (data, split, index) => `/data/${data.set}/images/${split}/${index}.png?digest=${data.digest}`,
  sheet: (data, split, indices) => `/data/${data.set}/sheet/${split}?indices=${indices.join()}&digest=${data.digest}`,
};

/** The address of image `index` of a split of a run's `data`. */
export function imageUrl(data, split, index) {
  return source.image(data, split, index);
}

/** The address of several images in one picture, row by row. */
export function sheetUrl(data, split, indices) {
  return source.sheet(data, split, indices);
}

/** A page without a server behind it says where its pictures are: functions as above, {image, sheet}. */
export function setImageSource(places) {
  source = places;
}
