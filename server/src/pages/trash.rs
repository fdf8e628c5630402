//! The page of what was deleted.

use super::StatusView;
use super::plan::count;
use crate::lifecycle::{Trash, TrashedRun};
use crate::text;
use askama::Template;

/// The runs in the trash, each with a button that brings it back.
#[derive(Template)]
#[template(path = "trash.html")]
pub(crate) struct TrashPage {
    /// How many there are in all.
    count: usize,
    /// `2 runs, 7.6 MB`; without a size where there are more than the page has.
    total: String,
    /// Where the others are.
    more: Option<String>,
    runs: Vec<TrashRow>,
    version: &'static str,
}

/// A run. What its summary can't tell is `–`.
struct TrashRow {
    id: String,
    name: String,
    label: String,
    status: Option<StatusView>,
    deleted_iso: String,
    deleted: String,
    size: String,
    restore_url: String,
}

impl TrashPage {
    /// A page of the trash.
    pub(crate) fn new(trash: &Trash) -> TrashPage {
        let Trash { runs, next, total } = trash;
        let size = || text::size(runs.iter().map(|run| run.size_bytes).sum());
        let row = |run: &TrashedRun| TrashRow {
            id: run.id.to_string(),
            name: text::or_dash(run.name.clone()),
            label: text::or_dash(run.label.clone()),
            status: run.status.map(StatusView::from),
            deleted_iso: text::iso(run.deleted_ms),
            deleted: text::date(run.deleted_ms),
            size: text::size(run.size_bytes),
            restore_url: run.restore_url.clone(),
        };
        TrashPage {
            count: *total,
            total: match runs.len() == *total {
                true => format!("{}, {}", count(*total, "run"), size()),
                false => count(*total, "run"),
            },
            more: next.as_deref().map(|next| text::next_page("/trash", next)),
            runs: runs.iter().map(row).collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
