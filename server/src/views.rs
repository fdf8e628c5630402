//! The HTML pages: from runs to the structs of [`crate::pages`].

use crate::App;
use crate::api::listed;
use crate::error::Error;
use crate::groups::varied;
use crate::pages::{ComparePage, CompareView, ForkOf, FormView, HomePage, RunPage, RunRow, RunView};
use crate::request;
use crate::runs::Run;
use crate::state::Summary;
use askama::Template;
use axum::extract::{Query, State};
use axum::http::header::VARY;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use trainer::data::GENERATED_NAME;
use trainer::spec::DatasetChoice;

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
    let mut runs = app.registry.summaries();
    runs.retain(|run| !run.archived);
    let lead = lead(&runs);
    let newest = lead.map(|lead| CompareView::new(together(&runs, lead)));
    let sweep_url = lead.and_then(|lead| lead.sweep.as_ref()).map(|id| format!("/sweeps/{id}"));
    let rows = runs.iter().take(NEWEST).map(|run| RunRow::from(&**run)).collect();
    let form = match asked.from {
        None => FormView::new(),
        Some(id) => {
            let run = listed(&app, &id, 1)?.remove(0).summary();
            if run.fork.is_some() {
                // The form would start another run: its page has the request that repeats it.
                return Ok(Redirect::to(&format!("{}#again", run.url)).into_response());
            }
            FormView::again(&request::again(&run.name, &run.spec))
        }
    };
    page(&HomePage { runs: rows, count: runs.len(), newest, sweep_url, form, version: VERSION })
}

/// Takes in runs that were copied into the folder, and forgets those that were taken out of it.
pub(crate) async fn refresh(app: &Arc<App>) -> Result<(), Error> {
    let app = app.clone();
    Ok(tokio::task::spawn_blocking(move || app.registry.refresh()).await?)
}

/// The run that the home page is about: the newest, or, of a sweep, the newest that has something to show, else the one that
/// begins.
fn lead(newest_first: &[Arc<Summary>]) -> Option<&Summary> {
    let newest = &**newest_first.first()?;
    let mut members = newest_first.iter().map(|run| &**run).filter(|other| other.sweep == newest.sweep);
    match newest.sweep {
        None => Some(newest),
        Some(_) => members.clone().find(|other| other.epoch > 0).or_else(|| members.next_back()),
    }
}

/// The runs that belong beside a run, oldest first: those of the same comparison, or, of a sweep, those that differ from it
/// in the variant alone; where there are none, those of its seed, else any of the sweep. The run alone where it belongs to neither.
fn together<'a>(newest_first: &'a [Arc<Summary>], run: &'a Summary) -> Vec<&'a Summary> {
    let oldest_first = || newest_first.iter().rev().map(|other| &**other);
    if run.comparison.is_some() {
        return oldest_first().filter(|other| other.comparison == run.comparison).take(MOST).collect();
    }
    if run.sweep.is_none() {
        return vec![run];
    }
    let members = oldest_first().filter(|other| other.sweep == run.sweep).collect::<Vec<_>>();
    // Whatever else differs, the images have to be the same.
    let differ = |a: &Summary, b: &Summary| varied([&a.spec, &b.spec]);
    let allowed: [&dyn Fn(&str) -> bool; 3] =
        [&|name| name == "variant", &|name| !matches!(name, "seed" | "dataset"), &|name| name != "dataset"];
    let beside = |allowed: &dyn Fn(&str) -> bool| {
        let fitting = members.iter().copied().filter(|other| differ(run, other).into_iter().all(allowed));
        let fitting = fitting.collect::<Vec<_>>();
        // Of too many, those up to the run.
        let place = fitting.iter().position(|other| other.id == run.id).unwrap_or_default();
        fitting.into_iter().skip((place + 1).saturating_sub(MOST)).take(MOST).collect::<Vec<_>>()
    };
    allowed.into_iter().map(beside).find(|runs| runs.len() > 1).unwrap_or_else(|| vec![run])
}

/// The runs of `?runs=a,b,c` (or `?runs=a&runs=b`), which must not see different images, as far as that is known.
pub(crate) fn compared(app: &App, pairs: Vec<(String, String)>) -> Result<Vec<Arc<Run>>, Error> {
    let asked = pairs.into_iter().filter(|(name, _)| name == "runs").map(|(_, ids)| ids);
    let runs = listed(app, &asked.collect::<Vec<_>>().join(","), MOST)?;
    let summaries = runs.iter().map(|run| run.summary()).collect::<Vec<_>>();
    if summaries.iter().enumerate().any(|(at, run)| summaries[..at].iter().any(|other| other_images(run, other))) {
        let names = summaries.iter().filter_map(|run| data_name(run)).collect::<BTreeSet<_>>();
        let names = names.into_iter().collect::<Vec<_>>().join(" and ");
        let detail = format!(
            "these runs see different images ({names}), so point i would not be the same image in each plot: \
             compare runs of one data set"
        );
        return Err(Error::Unprocessable(detail));
    }
    Ok(runs)
}

/// What a run saw, by name; before it has read that, what it was told to take.
fn data_name(run: &Summary) -> Option<&str> {
    run.data_name.as_deref().or(match run.spec.dataset {
        DatasetChoice::Auto => None,
        DatasetChoice::Mnist => Some("MNIST"),
        DatasetChoice::Generated => Some(GENERATED_NAME),
    })
}

/// Whether two runs are known to see different images. Summaries of older versions know the name of theirs only; of a run that
/// waits for its turn it is known at most whether they are generated, since any folder may stand for MNIST.
fn other_images(a: &Summary, b: &Summary) -> bool {
    match (&a.data_digest, &b.data_digest) {
        (Some(a), Some(b)) => a != b,
        _ if a.data_name.is_some() && b.data_name.is_some() => a.data_name != b.data_name,
        _ => data_name(a).zip(data_name(b)).is_some_and(|(a, b)| (a == GENERATED_NAME) != (b == GENERATED_NAME)),
    }
}

/// `GET /compare?runs=a,b,c`, or `?runs=a&runs=b`, as the table of runs sends it without JavaScript.
pub(crate) async fn compare(
    State(app): State<Arc<App>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Error> {
    let usual = !pairs.iter().any(|(name, _)| name == "epoch" || name == "split");
    let runs = compared(&app, pairs)?.iter().map(|run| run.summary()).collect::<Vec<_>>();
    page(&ComparePage { view: CompareView::new(&runs), ahead: ahead(&runs, usual), version: VERSION })
}

/// What the first plots of a comparison need: the page's head asks for it before its scripts are there. `usual`: it is the newest
/// test points that they show.
fn ahead(runs: &[Arc<Summary>], usual: bool) -> String {
    let mut addresses = vec!["/metrics-table".to_string()];
    addresses.extend(runs.iter().map(|run| run.url.clone()));
    // A fork has no points of the epochs that it took over.
    let with_points = |run: &&Arc<Summary>| run.epoch > run.fork.as_ref().map_or(0, |fork| fork.epoch);
    for run in runs.iter().filter(with_points).filter(|_| usual) {
        addresses.push(format!("{}/embeddings/{}?split=test&predictions=1", run.url, run.epoch));
        let set = if data_name(run) == Some(GENERATED_NAME) { "generated" } else { "mnist" };
        let labels = run.data_digest.as_ref().map(|digest| format!("/data/{set}/labels/test?digest={digest}"));
        addresses.extend(labels.filter(|labels| !addresses.contains(labels)));
    }
    addresses.join(" ")
}

/// `GET /runs/{id}` for a browser.
pub(crate) async fn run(app: &App, run: &Arc<Run>, host: &str) -> Result<Response, Error> {
    let state = run.state().await?;
    let folder = run.folder.clone();
    let artifacts = tokio::task::spawn_blocking(move || folder.list()).await?;
    let artifacts = artifacts.map_err(|error| Error::Internal(format!("the run's folder can't be listed: {error}")))?;
    let grouped = state.summary.comparison.is_some() || state.summary.sweep.is_some();
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
