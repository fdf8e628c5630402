//! What a run's network makes of an image that somebody draws: where it lands among the test images, and beside which.

use crate::App;
use crate::api::{Found, listed};
use crate::checkpoints::{ALTERED, is_as_stored};
use crate::error::Error;
use crate::runs::Run;
use crate::state::FileRecord;
use crate::store::RunId;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use trainer::data::{Dataset, PIXELS, like_mnist};
use trainer::event::{CLASSES, Split};
use trainer::measure::nearest;
use trainer::npy;
use trainer::recogniser::Recogniser;

/// Networks that look at one image together: a comparison's.
const MOST: usize = 6;
/// Networks kept ready: a comparison's six, and two more for who moves the clock.
const KEPT: usize = 8;
/// Images looked at or networks loaded at a time, at most: a comparison's three. Training needs the processor, too, and so does the
/// browser of who draws on this machine, whose frames would wait: one processor is left to it.
const AT_A_TIME: usize = 3;
/// Pixels along the longest side of a drawing.
const LARGEST: usize = 128;
/// Nearest test images told.
const NEAREST: usize = 6;

/// The networks that were asked lately.
pub(crate) struct Networks {
    /// Newest use last. Locked only for a look.
    kept: Mutex<VecDeque<(Key, Arc<Ready>)>>,
    turns: Semaphore,
}

/// What a run's log says of its files.
type Files = BTreeMap<String, FileRecord>;
/// A run and the epoch asked for, which is not beyond the run's own.
type Key = (RunId, u32);

/// A network with the test images as it sees them.
struct Ready {
    recogniser: Recogniser,
    /// Empty where the run keeps no embedding of that epoch.
    embedding: Vec<[f32; 2]>,
    /// The run's data set, where it is on this machine.
    dataset: Option<Arc<Dataset>>,
}

impl Default for Networks {
    fn default() -> Networks {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Networks { kept: Mutex::default(), turns: Semaphore::new((processors - 1).clamp(1, AT_A_TIME)) }
    }
}

impl std::fmt::Debug for Networks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Networks").finish_non_exhaustive()
    }
}

impl Networks {
    fn get(&self, key: Key) -> Option<Arc<Ready>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| *known == key)?;
        let found = kept.remove(at)?;
        let ready = found.1.clone();
        kept.push_back(found);
        Some(ready)
    }

    fn put(&self, key: Key, ready: Arc<Ready>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != key);
        kept.push_back((key, ready));
        while kept.len() > KEPT {
            kept.pop_front();
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    epoch: Option<u32>,
    /// `1`: the pixels are a drawing of any size, to be brought into MNIST's layout.
    drawing: Option<u8>,
}

#[derive(Deserialize)]
pub(crate) struct AskedTogether {
    #[serde(default)]
    runs: String,
    epoch: Option<u32>,
    drawing: Option<u8>,
}

#[derive(JsonSchema, Serialize)]
pub(crate) struct Answer {
    #[serde(flatten)]
    said: Said,
    /// What the network saw.
    pixels: Vec<u8>,
}

/// What several networks say of one image.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Together {
    /// What they saw.
    pixels: Vec<u8>,
    /// In the order of the runs.
    answers: Vec<Outcome>,
}

#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
enum Outcome {
    Said(Said),
    /// Why there is none.
    Not {
        problem: String,
    },
}

/// What a network says of an image.
#[derive(JsonSchema, Serialize)]
struct Said {
    /// That of the checkpoint.
    epoch: u32,
    embedding: [f32; 2],
    prediction: usize,
    probabilities: [f64; CLASSES],
    nearest: Vec<Near>,
}

#[derive(JsonSchema, Serialize)]
struct Near {
    index: usize,
    label: Option<u8>,
    distance: f64,
}

/// `POST /runs/{id}/predict?epoch=5&drawing=1`
pub(crate) async fn predict(
    State(app): State<Arc<App>>,
    Found(run): Found,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Answer>, Error> {
    let pixels = image(pixels(&headers, &body)?, asked.drawing == Some(1))?;
    let said = ask(&app, &run, asked.epoch, pixels).await?;
    Ok(Json(Answer { said, pixels: pixels.to_vec() }))
}

/// `POST /compare/predict?runs=a,b,c&epoch=5&drawing=1`
pub(crate) async fn together(
    State(app): State<Arc<App>>,
    Query(asked): Query<AskedTogether>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Together>, Error> {
    let pixels = image(pixels(&headers, &body)?, asked.drawing == Some(1))?;
    let runs = listed(&app, &asked.runs, MOST)?;
    let answers = join_all(runs.iter().map(|run| ask(&app, run, asked.epoch, pixels))).await.into_iter();
    // One network that can't look takes nothing from the others.
    let answers =
        answers.map(|said| said.map_or_else(|error| Outcome::Not { problem: error.to_string() }, Outcome::Said));
    Ok(Json(Together { pixels: pixels.to_vec(), answers: answers.collect() }))
}

/// Has the run's network of an epoch, its newest unless said, look at an image.
async fn ask(app: &Arc<App>, run: &Arc<Run>, epoch: Option<u32>, pixels: [u8; PIXELS]) -> Result<Said, Error> {
    let summary = run.summary();
    if summary.epoch == 0 {
        return Err(Error::NotFound("the run has no epoch yet: try again when its first is done".into()));
    }
    let epoch = epoch.unwrap_or(summary.epoch).min(summary.epoch);
    let _turn = app.networks.turns.acquire().await?;
    let ready = match app.networks.get((run.id, epoch)) {
        Some(ready) => ready,
        None => load(app, run, epoch).await?,
    };
    tokio::task::spawn_blocking(move || answer(&ready, &pixels)).await?
}

/// The pixels in a body: bytes as they are, or JSON `{"pixels": […]}`.
fn pixels(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, Error> {
    #[derive(Deserialize)]
    struct Pixels {
        pixels: Vec<u8>,
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/octet-stream" => Ok(body.to_vec()),
        "application/json" => serde_json::from_slice::<Pixels>(body).map(|body| body.pixels).map_err(|error| {
            Error::BadRequest(format!("the body is no {{\"pixels\": [whole numbers from 0 to 255]}}: {error}"))
        }),
        _ => Err(Error::MediaType(format!(
            "the body's Content-Type is `{content_type}`: send the pixels as application/octet-stream or application/json"
        ))),
    }
}

/// The 28×28 image that the network will see.
fn image(pixels: Vec<u8>, drawing: bool) -> Result<[u8; PIXELS], Error> {
    let count = pixels.len();
    if !drawing {
        return pixels.try_into().map_err(|_| {
            Error::Unprocessable(format!("got {count} pixels, expected {PIXELS}: 28 rows of 28; 0 is the background"))
        });
    }
    let side = count.isqrt();
    if side * side != count || !(1..=LARGEST).contains(&side) {
        let detail = format!("got {count} pixels, expected a square drawing of at most {LARGEST} pixels a side");
        return Err(Error::Unprocessable(detail));
    }
    like_mnist(&pixels, side).ok_or_else(|| Error::Unprocessable("nothing is drawn: every pixel is 0".into()))
}

/// Reads the network of the nearest kept checkpoint at or before `epoch`.
async fn load(app: &Arc<App>, run: &Arc<Run>, epoch: u32) -> Result<Arc<Ready>, Error> {
    let state = run.state().await?;
    let (app, run) = (app.clone(), run.clone());
    tokio::task::spawn_blocking(move || {
        let recogniser = recogniser(&run, &state.files, epoch)?;
        let name = Split::Test.embedding_artifact(recogniser.epoch).parse();
        let bytes = name.ok().and_then(|name| run.folder.read(&name).ok());
        let embedding = bytes.and_then(|bytes| npy::to_pairs(&bytes)).unwrap_or_default();
        let dataset = state.data.and_then(|data| app.datasets.look_up(&data.set, Some(&data.digest)).ok());
        let ready = Arc::new(Ready { recogniser, embedding, dataset });
        app.networks.put((run.id, epoch), ready.clone());
        Ok(ready)
    })
    .await?
}

fn recogniser(run: &Run, files: &Files, epoch: u32) -> Result<Recogniser, Error> {
    let mut damage = None;
    for (from, told) in checkpoints(files, epoch) {
        let Ok(name) = told.parse() else { continue };
        let bytes = match run.folder.read(&name) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                damage = Some(format!("{name} can't be read: {error}"));
                continue;
            }
        };
        match Recogniser::load(&bytes) {
            // Last and best may have been written anew since: then they are of another epoch than the log said.
            Ok(recogniser) if recogniser.epoch != from => {}
            Ok(recogniser) if is_as_stored(files.get(told), &bytes) => return Ok(recogniser),
            Ok(_) => damage = Some(format!("{name}: {ALTERED}")),
            Err(error) => damage = Some(format!("{name}: {error}")),
        }
    }
    Err(match damage {
        Some(damage) => Error::Internal(damage),
        None => Error::NotFound(format!(
            "the run keeps no checkpoint of epoch {epoch} or before: ask for a later epoch, or start the run with \
             checkpoint_every: 1"
        )),
    })
}

/// The checkpoints at or before `epoch` that the log tells of, latest first: their epochs and names.
fn checkpoints(files: &Files, epoch: u32) -> Vec<(u32, &str)> {
    let all = files.iter().filter(|(name, _)| name.starts_with("checkpoints/"));
    let mut found = all.map(|(name, file)| (file.epoch, &**name)).filter(|(of, _)| *of <= epoch).collect::<Vec<_>>();
    found.sort_by_key(|(of, _)| std::cmp::Reverse(*of));
    found
}

fn answer(ready: &Ready, pixels: &[u8; PIXELS]) -> Result<Said, Error> {
    let recognised = ready.recogniser.look_at(pixels);
    let recognised = recognised.map_err(|error| Error::Internal(format!("the network can't look at it: {error}")))?;
    let epoch = ready.recogniser.epoch;
    if !recognised.embedding.iter().all(|coordinate| coordinate.is_finite()) {
        let detail = format!("the network of epoch {epoch} computes no finite numbers: ask for an earlier epoch");
        return Err(Error::Unprocessable(detail));
    }
    let label = |index: usize| ready.dataset.as_ref().and_then(|data| data.test.labels().get(index).copied());
    let near = nearest(&ready.embedding, recognised.embedding, NEAREST);
    Ok(Said {
        epoch,
        embedding: recognised.embedding,
        prediction: recognised.prediction,
        probabilities: recognised.probabilities,
        nearest: near.into_iter().map(|(index, distance)| Near { index, label: label(index), distance }).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_checkpoint_at_or_before_the_epoch_comes_first() {
        let file = |name: &str, epoch| (name.to_string(), FileRecord { epoch, sha256: None });
        let files = Files::from([
            file("checkpoints/best.safetensors", 2),
            file("checkpoints/epoch-0002.safetensors", 2),
            file("checkpoints/last.safetensors", 3),
            file("embeddings/test-0001.npy", 1),
        ]);
        let found = |epoch| checkpoints(&files, epoch).into_iter().map(|(of, _)| of).collect::<Vec<_>>();
        assert_eq!([found(3), found(2), found(1)], [vec![3, 2, 2], vec![2, 2], vec![]]);
    }
}
