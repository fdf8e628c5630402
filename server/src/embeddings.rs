//! The embedding of an epoch, from the `.npy` file of the run to the compact binary that the page draws.

use crate::api::Found;
use crate::artifacts;
use crate::conditional::IMMUTABLE;
use crate::error::Error;
use crate::runs::Run;
use crate::state::Status;
use crate::store::RunFolder;
use axum::extract::{Path, Query};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::io;
use trainer::event::Split;
use trainer::measure::classes;
use trainer::npy;

/// The largest coordinate; one more marks a point that is not finite.
const STEPS: f64 = 65_534.0;
const NOT_FINITE: u16 = 65_535;

#[derive(Deserialize)]
pub(crate) struct Which {
    split: Option<String>,
    format: Option<String>,
    /// `1`: with what the network takes each image for.
    predictions: Option<u8>,
}

/// `GET /runs/{id}/embeddings/{epoch}`
pub(crate) async fn read(
    Found(run): Found,
    Path((_, epoch)): Path<(String, String)>,
    Query(query): Query<Which>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let split = query.split.as_deref().unwrap_or(Split::Test.word());
    let split = Split::from_word(split)
        .ok_or_else(|| Error::BadRequest(format!("split: got `{split}`, expected test or train")))?;
    let none = || no_embedding(split, &epoch);
    let number = epoch.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(none)?;
    let name = split.embedding_artifact(number).parse().map_err(|_| none())?;
    match query.format.as_deref() {
        None | Some("compact") => {}
        Some("npy") => return artifacts::send(&run.folder, &name, &method, &headers).await,
        Some(other) => return Err(Error::BadRequest(format!("format: got `{other}`, expected compact or npy"))),
    }
    let predicted = query.predictions == Some(1);
    if predicted && split == Split::Train {
        let detail = "predictions: training images have none; their points are from their own steps, before the epoch's last layer was there";
        return Err(Error::BadRequest(detail.into()));
    }
    // Before the look: a run that isn't over, or is taken up again, may do an epoch once more.
    let kept = if run.status() == Status::Finished { IMMUTABLE } else { "private, no-cache" };
    let answer = tokio::task::spawn_blocking(move || {
        let points = of(&run.folder, split, number)?;
        let predictions = if predicted { predictions(&run, number, &points)? } else { Vec::new() };
        Ok::<_, Error>([compact(&points), predictions].concat())
    });
    Ok(([(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, kept)], answer.await??).into_response())
}

fn no_embedding(split: Split, epoch: &str) -> Error {
    let split = split.word();
    Error::NotFound(format!(
        "there is no {split} embedding of epoch {epoch}: /runs/{{id}}/artifacts lists those that the run has"
    ))
}

/// The points (N, 2) of a run after an epoch. Blocks on the disk.
pub(crate) fn of(folder: &RunFolder, split: Split, epoch: u32) -> Result<Vec<[f32; 2]>, Error> {
    let none = || no_embedding(split, &epoch.to_string());
    let name = split.embedding_artifact(epoch).parse().map_err(|_| none())?;
    let bytes = folder.read(&name).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => none(),
        _ => Error::Internal(format!("the embedding can't be read: {error}")),
    })?;
    npy::to_pairs(&bytes).ok_or_else(|| Error::Internal("the embedding's file is damaged".into()))
}

/// What a run's network takes each of its test images for after an epoch. Blocks on the disk.
fn predictions(run: &Run, epoch: u32, points: &[[f32; 2]]) -> Result<Vec<u8>, Error> {
    let report = run.report(epoch)?.ok_or_else(|| no_embedding(Split::Test, &epoch.to_string()))?;
    Ok(classes(&report.geometry, points))
}

/// The compact form that `docs/api.md` defines.
pub(crate) fn compact(points: &[[f32; 2]]) -> Vec<u8> {
    let is_finite = |p: &[f32; 2]| p[0].is_finite() && p[1].is_finite();
    let bounds = [0, 1].map(|axis| {
        let values = points.iter().filter(|p| is_finite(p)).map(|p| p[axis]);
        values.fold(None, |bounds: Option<(f32, f32)>, v| {
            Some(bounds.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
        })
    });
    let bounds = bounds.map(|bounds| bounds.unwrap_or((0.0, 0.0)));
    let mut out = Vec::with_capacity(24 + 4 * points.len());
    out.extend(b"CSE1");
    out.extend((points.len() as u32).to_le_bytes());
    for (low, high) in bounds {
        out.extend(low.to_le_bytes());
        out.extend(high.to_le_bytes());
    }
    for point in points {
        for axis in [0, 1] {
            let (low, high) = (f64::from(bounds[axis].0), f64::from(bounds[axis].1));
            let quantised = match (is_finite(point), high > low) {
                (false, _) => NOT_FINITE,
                (true, false) => 0,
                (true, true) => ((f64::from(point[axis]) - low) / (high - low) * STEPS).round() as u16,
            };
            out.extend(quantised.to_le_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compact_form_keeps_the_ends_and_marks_what_is_not_finite() {
        let bytes = compact(&[[-1.0, 0.0], [3.0, 8.0], [f32::NAN, 1.0], [1.0, 4.0]]);
        assert_eq!(&bytes[..8], b"CSE1\x04\x00\x00\x00");
        let floats = bytes[8..24].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>();
        assert_eq!(floats, [-1.0, 3.0, 0.0, 8.0]);
        let words = bytes[24..].chunks(2).map(|b| u16::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>();
        assert_eq!(words, [0, 0, 65534, 65534, 65535, 65535, 32767, 32767]);
    }
}
