//! All sweeps, the newest first.

use crate::App;
use crate::error::{Error, wants_html};
use crate::groups::{settings, varied};
use crate::pages::sweeps::SweepsPage;
use crate::state::Summary;
use crate::views;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Sweeps of one answer.
const MOST: usize = 100;

/// Sweeps, the newest first. One whose runs are all archived is left out.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Sweeps {
    /// The newest, 100 at most.
    pub(crate) sweeps: Vec<Sweep>,
    /// How many there are.
    pub(crate) total: usize,
}

/// A sweep in a few numbers.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Sweep {
    /// Its id.
    pub(crate) id: String,
    /// Its page.
    pub(crate) url: String,
    /// What its runs' names begin with; `null` where none was given.
    pub(crate) name: Option<String>,
    /// How many runs it has.
    pub(crate) runs: usize,
    /// How many of them stand where, by status.
    pub(crate) statuses: BTreeMap<&'static str, usize>,
    /// The settings in which its runs differ.
    pub(crate) varied: Vec<Varied>,
    /// The best test accuracy of all epochs of all its runs, 0 to 1.
    pub(crate) best_test_accuracy: Option<f64>,
    /// When its first run was accepted.
    pub(crate) created_ms: u64,
}

/// A setting that a sweep goes through.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Varied {
    /// Its name.
    pub(crate) field: &'static str,
    /// Its values, in the order of the runs.
    pub(crate) values: Vec<Value>,
}

/// `GET /sweeps`
pub(crate) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Error> {
    views::refresh(&app).await?;
    let sweeps = tokio::task::spawn_blocking(move || Sweeps::of(&app.registry.summaries())).await?;
    match wants_html(&headers) {
        true => views::page(&SweepsPage::new(&sweeps)),
        false => Ok(([(VARY, "Accept")], Json(sweeps)).into_response()),
    }
}

impl Sweeps {
    fn of(newest_first: &[Arc<Summary>]) -> Sweeps {
        let mut found: Vec<(&str, Vec<&Summary>)> = Vec::new();
        let mut places = HashMap::new();
        for run in newest_first {
            let Some(id) = run.sweep.as_deref() else { continue };
            let place = *places.entry(id).or_insert(found.len());
            if place == found.len() {
                found.push((id, Vec::new()));
            }
            found[place].1.push(run);
        }
        found.retain(|(_, runs)| runs.iter().any(|run| !run.archived));
        let sweep = |(id, mut runs): (&str, Vec<&Summary>)| {
            runs.reverse();
            Sweep::of(id, &runs)
        };
        Sweeps { total: found.len(), sweeps: found.into_iter().take(MOST).map(sweep).collect() }
    }
}

impl Sweep {
    fn of(id: &str, oldest_first: &[&Summary]) -> Sweep {
        let mut statuses = BTreeMap::new();
        for run in oldest_first {
            *statuses.entry(run.status.word()).or_default() += 1;
        }
        let asked = oldest_first.iter().map(|run| settings(&run.spec)).collect::<Vec<_>>();
        let values = |field: &'static str| {
            let mut values: Vec<Value> = Vec::new();
            for (_, value) in asked.iter().flatten().filter(|(name, _)| *name == field) {
                if !values.contains(value) {
                    values.push(value.clone());
                }
            }
            Varied { field, values }
        };
        Sweep {
            id: id.into(),
            url: format!("/sweeps/{id}"),
            name: given_name(oldest_first),
            runs: oldest_first.len(),
            statuses,
            varied: varied(oldest_first.iter().map(|run| &run.spec)).into_iter().map(values).collect(),
            best_test_accuracy: oldest_first.iter().filter_map(|run| run.best_test_accuracy).reduce(f64::max),
            created_ms: oldest_first.iter().map(|run| run.created_ms).min().unwrap_or_default(),
        }
    }
}

/// What stands before the label in every run's name (`paired · V1.0 seed 1`).
fn given_name(runs: &[&Summary]) -> Option<String> {
    let given = |run: &Summary| Some(run.name.split_once(&format!(" · {}", run.label))?.0.to_string());
    let first = given(runs.first()?)?;
    runs.iter().all(|run| given(run).as_ref() == Some(&first)).then_some(first)
}
