// Where the pictures of images are: on the server, unless the page brings its own.

let source = {
  image: (set, split, index) => `/data/${set}/images/${split}/${index}.png`,
  sheet: (set, split, indices) => `/data/${set}/sheet/${split}?indices=${indices.join()}`,
};

/** The address of image `index` of a data set's split. */
export function imageUrl(set, split, index) {
  return source.image(set, split, index);
}

/** The address of several images in one picture, row by row. */
export function sheetUrl(set, split, indices) {
  return source.sheet(set, split, indices);
}

/** A page without a server behind it says where its pictures are: functions as above, {image, sheet}. */
export function setImageSource(places) {
  source = places;
}
