//! The images behind the points, and their labels. Never downloads: only what this machine has is shown.

use crate::App;
use crate::conditional::IMMUTABLE;
use crate::error::Error;
use axum::extract::{Path, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use trainer::data::{Images, SIDE};
use trainer::event::Split;

/// Images of a sheet: enough that thousands need no thousands of requests, few enough for a short address.
const MOST_OF_A_SHEET: usize = 256;
const SHEET_COLUMNS: usize = 16;

/// The images that are meant, where those of that word may be others.
#[derive(Deserialize)]
pub(crate) struct Meant {
    digest: Option<String>,
}

/// `GET /data/{set}/labels/{split}?digest=…`
pub(crate) async fn labels(
    State(app): State<Arc<App>>,
    Path((set, split)): Path<(String, String)>,
    Query(Meant { digest }): Query<Meant>,
) -> Result<Response, Error> {
    with_images(app, set, &split, digest, |images| {
        Ok(([(CONTENT_TYPE, "application/octet-stream")], images.labels().to_vec()).into_response())
    })
    .await
}

/// `GET /data/{set}/images/{split}/{index}.png?digest=…`
pub(crate) async fn image(
    State(app): State<Arc<App>>,
    Path((set, split, file)): Path<(String, String, String)>,
    Query(Meant { digest }): Query<Meant>,
) -> Result<Response, Error> {
    let index = file.strip_suffix(".png").and_then(|index| index.parse::<usize>().ok());
    with_images(app, set, &split, digest, move |images| {
        let none = || {
            Error::NotFound(format!("there is no image `{file}`: they count from 0.png to {}.png", images.len() - 1))
        };
        let index = index.filter(|&index| index < images.len()).ok_or_else(none)?;
        let png =
            png(images.image(index)).map_err(|error| Error::Internal(format!("the image can't be drawn: {error}")))?;
        Ok(([(CONTENT_TYPE, "image/png")], png).into_response())
    })
    .await
}

#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    indices: String,
    digest: Option<String>,
}

/// `GET /data/{set}/sheet/{split}?indices=3,17,4&digest=…`: these images in this order, row by row, as one picture.
pub(crate) async fn sheet(
    State(app): State<Arc<App>>,
    Path((set, split)): Path<(String, String)>,
    Query(Wanted { indices, digest }): Query<Wanted>,
) -> Result<Response, Error> {
    let numbers = indices.split(',').map(|index| index.parse::<usize>().ok()).collect::<Option<Vec<_>>>();
    let numbers = numbers.filter(|numbers| numbers.len() <= MOST_OF_A_SHEET).ok_or_else(|| {
        Error::BadRequest(format!("indices: expected 1 to {MOST_OF_A_SHEET} numbers of images, joined by commas"))
    })?;
    with_images(app, set, &split, digest, move |images| {
        if let Some(index) = numbers.iter().find(|&&index| index >= images.len()) {
            let last = images.len() - 1;
            return Err(Error::NotFound(format!("there is no image {index}: they count from 0 to {last}")));
        }
        let pixels = numbers.iter().map(|&index| images.image(index)).collect::<Vec<_>>();
        let png = sheet_png(&pixels).map_err(|error| Error::Internal(format!("the sheet can't be drawn: {error}")))?;
        Ok(([(CONTENT_TYPE, "image/png")], png).into_response())
    })
    .await
}

/// Answers from a split of a data set, on a thread that may wait for the disk.
async fn with_images(
    app: Arc<App>,
    set: String,
    split: &str,
    digest: Option<String>,
    answer: impl FnOnce(&Images) -> Result<Response, Error> + Send + 'static,
) -> Result<Response, Error> {
    let split = Split::from_word(split)
        .ok_or_else(|| Error::NotFound(format!("there is no split `{split}`: test or train")))?;
    let work = move || {
        let dataset = app.datasets.look_up(&set, digest.as_deref())?;
        let mut answer = answer(match split {
            Split::Test => &dataset.test,
            Split::Train => &dataset.train,
        })?;
        // What a digest names never changes; what only a word names may be another folder's at the next start.
        if digest.is_some() {
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
        }
        Ok(answer)
    };
    tokio::task::spawn_blocking(work).await?
}

fn png(pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    grey_png(SIDE, SIDE, pixels)
}

/// The images side by side, [`SHEET_COLUMNS`] in a row; what is left of the last row is black.
fn sheet_png(images: &[&[u8]]) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = (SHEET_COLUMNS * SIDE, images.len().div_ceil(SHEET_COLUMNS) * SIDE);
    let mut pixels = vec![0; width * height];
    for (n, image) in images.iter().enumerate() {
        let corner = n / SHEET_COLUMNS * SIDE * width + n % SHEET_COLUMNS * SIDE;
        for (y, row) in image.chunks_exact(SIDE).enumerate() {
            pixels[corner + y * width..][..SIDE].copy_from_slice(row);
        }
    }
    grey_png(width, height, &pixels)
}

fn grey_png(width: usize, height: usize, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(out)
}
