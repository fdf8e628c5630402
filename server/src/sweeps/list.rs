//! All sweeps, the newest first.

use crate::App;
use crate::error::{Error, wants_html};
use crate::groups::{differing, told};
use crate::listing::Paging;
use crate::pages::sweeps::SweepsPage;
use crate::parameters::Pairs;
use crate::state::Summary;
use crate::views;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Sweeps, the newest first. One whose runs are all archived is left out.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Sweeps {
    /// The newest, or those after the cursor.
    pub(crate) sweeps: Vec<Sweep>,
    /// The cursor of the next page; `null` at the end.
    pub(crate) next: Option<String>,
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
    /// The settings in which its runs differ, and `data` or `fork` where they do.
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
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let paging = Paging::read(pairs)?;
    views::refresh(&app).await?;
    let sweeps = tokio::task::spawn_blocking(move || Sweeps::of(&app.registry.summaries(), &paging)).await?;
    match wants_html(&headers) {
        true => views::page(&SweepsPage::new(&sweeps)),
        false => Ok(([(VARY, "Accept")], Json(sweeps)).into_response()),
    }
}

impl Sweeps {
    fn of(newest_first: &[Arc<Summary>], paging: &Paging) -> Sweeps {
        // Each with its first run: it is as old as that, whatever was added to it.
        let mut found: Vec<(&str, &Summary, Vec<&Summary>)> = Vec::new();
        let mut places = HashMap::new();
        for run in newest_first {
            let Some(id) = run.sweep.as_deref() else { continue };
            let place = *places.entry(id).or_insert(found.len());
            if place == found.len() {
                found.push((id, run, Vec::new()));
            }
            found[place].1 = run;
            found[place].2.push(run);
        }
        found.retain(|(.., runs)| runs.iter().any(|run| !run.archived));
        let total = found.len();
        let (page, next) = paging.latest(found, |(_, first, _)| (first.created_ms, first.id));
        let sweep = |(id, _, mut runs): (&str, &Summary, Vec<&Summary>)| {
            runs.reverse();
            Sweep::of(id, &runs)
        };
        Sweeps { sweeps: page.into_iter().map(sweep).collect(), next, total }
    }
}

impl Sweep {
    fn of(id: &str, oldest_first: &[&Summary]) -> Sweep {
        let mut statuses = BTreeMap::new();
        for run in oldest_first {
            *statuses.entry(run.status.word()).or_default() += 1;
        }
        let values = |field: &'static str| {
            let mut values: Vec<Value> = Vec::new();
            for value in oldest_first.iter().flat_map(|run| told(run, field)) {
                if !values.contains(&value) {
                    values.push(value);
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
            varied: differing(oldest_first.iter().copied()).into_iter().map(values).collect(),
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
