//! The HTML pages: from runs to the structs of [`crate::pages`].

use crate::App;
use crate::api::listed;
use crate::error::Error;
use crate::pages::{ComparePage, CompareView, ForkOf, FormView, HomePage, RunPage, RunRow, RunView};
use crate::request;
use crate::runs::Run;
use crate::state::Summary;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::header::VARY;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Plots that fit side by side.
const MOST: usize = 6;
/// Runs that the home page lists.
const NEWEST: usize = 10;

/// Draws a page.
pub(crate) fn page(template: &impl Template) -> Result<Response, Error> {
    let page = template.render().map_err(|error| Error::Internal(format!("a page could not be drawn: {error}")))?;
    Ok(([(VARY, "Accept")], Html(page)).into_response())
}

/// The parameters of the home page.
#[derive(Default, Deserialize)]
pub(crate) struct Home {
    /// A run that the form is filled from.
    from: Option<String>,
}

/// `GET /`
pub(crate) async fn home(State(app): State<Arc<App>>, Query(asked): Query<Home>) -> Result<Response, Error> {
    refresh(&app).await?;
    let runs = app.registry.summaries();
    let newest = runs.first().map(|newest| CompareView::new(together(&runs, newest)));
    let rows = runs.iter().filter(|run| !run.archived).take(NEWEST).map(|run| RunRow::from(&**run)).collect();
    let form = match asked.from {
        None => FormView::new(),
        Some(id) => {
            let run = listed(&app, &id, 1)?.remove(0).summary();
            FormView::again(&request::again(&run.name, &run.spec))
        }
    };
    page(&HomePage { runs: rows, count: runs.len(), newest, form, version: VERSION })
}

/// Takes in runs that were copied into the folder.
pub(crate) async fn refresh(app: &Arc<App>) -> Result<(), Error> {
    let app = app.clone();
    Ok(tokio::task::spawn_blocking(move || app.registry.refresh()).await?)
}

/// The runs of the same comparison, oldest first; the run alone where it belongs to none.
fn together<'a>(newest_first: &'a [Arc<Summary>], run: &'a Summary) -> Vec<&'a Summary> {
    let oldest_first = newest_first.iter().rev().map(|other| &**other);
    match &run.comparison {
        None => vec![run],
        Some(_) => oldest_first.filter(|other| other.comparison == run.comparison).take(MOST).collect(),
    }
}

/// The runs of `?runs=a,b,c` (or `?runs=a&runs=b`), which must have seen the same images.
pub(crate) fn compared(app: &App, pairs: Vec<(String, String)>) -> Result<Vec<Arc<Run>>, Error> {
    let asked = pairs.into_iter().filter(|(name, _)| name == "runs").map(|(_, ids)| ids);
    let runs = listed(app, &asked.collect::<Vec<_>>().join(","), MOST)?;
    let data = runs.iter().map(|run| run.summary()).filter(|run| run.data_name.is_some()).collect::<Vec<_>>();
    if data.windows(2).any(|pair| other_images(&pair[0], &pair[1])) {
        let names = data.iter().filter_map(|run| run.data_name.as_deref()).collect::<BTreeSet<_>>();
        let names = names.into_iter().collect::<Vec<_>>().join(" and ");
        let detail =
            format!("these runs saw different images ({names}): point i would not be the same image in each plot");
        return Err(Error::Unprocessable(detail));
    }
    Ok(runs)
}

/// Whether two runs saw different images. Summaries of older versions know the name of theirs only.
fn other_images(a: &Summary, b: &Summary) -> bool {
    match (&a.data_digest, &b.data_digest) {
        (Some(a), Some(b)) => a != b,
        _ => a.data_name != b.data_name,
    }
}

/// `GET /compare?runs=a,b,c`, or `?runs=a&runs=b`, as the table of runs sends it without JavaScript.
pub(crate) async fn compare(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Error> {
    let runs = compared(&app, pairs)?.iter().map(|run| run.summary()).collect::<Vec<_>>();
    page(&ComparePage { view: CompareView::new(&runs), version: VERSION })
}

/// `GET /runs/{id}` for a browser.
pub(crate) async fn run(app: &App, run: &Arc<Run>, host: &str) -> Result<Response, Error> {
    let state = run.state().await?;
    let folder = run.folder.clone();
    let artifacts = tokio::task::spawn_blocking(move || folder.list()).await?;
    let artifacts = artifacts.map_err(|error| Error::Internal(format!("the run's folder can't be listed: {error}")))?;
    let grouped = state.summary.comparison.is_some();
    let compare_url = grouped.then(|| CompareView::new(together(&app.registry.summaries(), &state.summary)).url);
    let fork_of = state.summary.fork.as_ref().map(|fork| {
        let parent = fork.run.parse().ok().and_then(|id| app.registry.get(id)).map(|run| run.summary());
        ForkOf {
            name: parent.as_ref().map_or_else(|| fork.run.clone(), |run| run.name.clone()),
            url: parent.map(|run| run.url.clone()),
            epoch: fork.epoch,
        }
    });
    page(&RunPage { run: RunView::new(&state, &artifacts, compare_url, fork_of, host), version: VERSION })
}
