//! The images behind the points, and their labels. Never downloads: only what this machine has is shown.

use crate::App;
use crate::error::Error;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use trainer::data::{Images, SIDE};
use trainer::event::Split;
use trainer::spec::DatasetChoice;

/// The set behind an address hardly ever changes, but another start may read another folder.
const KEPT: &str = "private, max-age=3600";

/// `GET /data/{set}/labels/{split}`
pub(crate) async fn labels(
    State(app): State<Arc<App>>,
    Path((set, split)): Path<(String, String)>,
) -> Result<Response, Error> {
    with_images(app, &set, &split, |images| {
        let head = [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, KEPT)];
        Ok((head, images.labels().to_vec()).into_response())
    })
    .await
}

/// `GET /data/{set}/images/{split}/{index}.png`
pub(crate) async fn image(
    State(app): State<Arc<App>>,
    Path((set, split, file)): Path<(String, String, String)>,
) -> Result<Response, Error> {
    let index = file.strip_suffix(".png").and_then(|index| index.parse::<usize>().ok());
    with_images(app, &set, &split, move |images| {
        let none = || {
            Error::NotFound(format!("there is no image `{file}`: they count from 0.png to {}.png", images.len() - 1))
        };
        let index = index.filter(|&index| index < images.len()).ok_or_else(none)?;
        let png =
            png(images.image(index)).map_err(|error| Error::Internal(format!("the image can't be drawn: {error}")))?;
        Ok(([(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, KEPT)], png).into_response())
    })
    .await
}

/// Answers from a split of a data set, on a thread that may wait for the disk.
async fn with_images(
    app: Arc<App>,
    set: &str,
    split: &str,
    answer: impl FnOnce(&Images) -> Result<Response, Error> + Send + 'static,
) -> Result<Response, Error> {
    let choice = DatasetChoice::from_word(set).filter(|choice| *choice != DatasetChoice::Auto);
    let choice = choice.ok_or_else(|| Error::NotFound(format!("there is no data set `{set}`: mnist or generated")))?;
    let split = Split::from_word(split)
        .ok_or_else(|| Error::NotFound(format!("there is no split `{split}`: test or train")))?;
    let work = move || {
        let dataset = app.datasets.look_up(choice).map_err(|error| Error::NotFound(error.to_string()))?;
        answer(match split {
            Split::Test => &dataset.test,
            Split::Train => &dataset.train,
        })
    };
    tokio::task::spawn_blocking(work).await?
}

fn png(pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(out)
}
