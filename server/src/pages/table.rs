//! The page of all runs as a table: a page of rows, worked out for a reader without JavaScript.

use super::StatusView;
use crate::fields::{Field, Kind, Value};
use crate::listing::{Facet, Page, Parameters, View};
use crate::state::Summary;
use crate::text;
use askama::Template;

/// The table of runs.
#[derive(Template)]
#[template(path = "runs.html")]
pub struct TablePage {
    /// What was typed.
    pub query: String,
    /// What is wrong with it.
    pub error: Option<String>,
    /// `-accuracy`
    pub sort: String,
    /// Fields joined by commas; empty for the usual ones.
    pub columns: String,
    /// The columns.
    pub heads: Vec<ColumnHead>,
    /// The runs of this page.
    pub rows: Vec<TableRow>,
    /// How many runs are meant: `1 234 runs`.
    pub total: String,
    /// What to narrow down by.
    pub facets: Vec<FacetView>,
    /// The next page.
    pub next_url: Option<String>,
    /// The same as CSV.
    pub csv_url: String,
    /// Up to where the page knows every change.
    pub position: String,
    /// Version of the program.
    pub version: &'static str,
}

/// The head of a column.
pub struct ColumnHead {
    /// The field's name.
    pub name: &'static str,
    /// The same for people.
    pub label: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Whether its values stand to the right.
    pub number: bool,
    /// Sorted by it, or the other way round; `None` where that makes no sense.
    pub url: Option<String>,
    /// `ascending`, `descending` or `none`.
    pub sorted: &'static str,
}

/// A run.
pub struct TableRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its page.
    pub url: String,
    /// One a column.
    pub cells: Vec<Cell>,
}

/// What stands in a cell.
pub enum Cell {
    /// The run's name, a link.
    Name,
    /// Where it stands.
    Status(StatusView),
    /// Its tags.
    Tags(Vec<String>),
    /// A moment: for machines, for people.
    Time(String, String),
    /// A number.
    Number(String),
    /// Text.
    Text(String),
    /// Drawn by a script.
    Curve,
}

/// A facet.
pub struct FacetView {
    /// Its name for people.
    pub label: &'static str,
    /// Its values.
    pub values: Vec<FacetLink>,
}

/// A value of a facet.
pub struct FacetLink {
    /// The value.
    pub value: String,
    /// How many runs have it.
    pub count: String,
    /// Whether it is chosen.
    pub chosen: bool,
    /// The page with it chosen, or no longer.
    pub url: String,
}

impl TablePage {
    /// A page of the table.
    pub fn new(
        asked: &Parameters,
        view: &View,
        columns: &[&'static Field],
        Page { runs, next, total }: Page,
        facets: &[Facet],
        error: Option<String>,
        position: String,
    ) -> TablePage {
        let query = asked.query.clone().unwrap_or_default();
        let sort = asked.sort.clone().unwrap_or_default();
        let names = asked.columns.clone().unwrap_or_default();
        let address = |query: &str, sort: &str, more: &[(&str, &str)]| {
            let mut pairs = form_urlencoded::Serializer::for_suffix(String::from("/runs?"), "/runs?".len());
            let all =
                [("query", query), ("sort", sort), ("columns", names.as_str())].into_iter().chain(more.iter().copied());
            pairs.extend_pairs(all.filter(|(_, value)| !value.is_empty()));
            pairs.finish().trim_end_matches('?').to_string()
        };
        let heads = columns.iter().map(|field| {
            let sorted = field.name == view.sort.field.name;
            // A second click turns the order round; the first shows the best or the newest.
            let first = if field.higher_is_better == Some(true) || field.kind == Kind::Time { "-" } else { "" };
            let sign = match (sorted, view.sort.descending) {
                (true, true) => "",
                (true, false) => "-",
                (false, _) => first,
            };
            ColumnHead {
                name: &field.name,
                label: &field.label,
                help: &field.help,
                number: field.kind == Kind::Number,
                url: field.is_comparable().then(|| address(&query, &format!("{sign}{}", field.name), &[])),
                sorted: match (sorted, view.sort.descending) {
                    (true, true) => "descending",
                    (true, false) => "ascending",
                    (false, _) => "none",
                },
            }
        });
        let facets = facets.iter().filter(|facet| !facet.values.is_empty()).map(|facet| FacetView {
            label: facet.label,
            values: facet
                .values
                .iter()
                .map(|v| FacetLink {
                    url: address(&v.query, &sort, &[]),
                    count: text::thousands(v.count as u64),
                    value: v.value.clone(),
                    chosen: v.chosen,
                })
                .collect(),
        });
        TablePage {
            heads: heads.collect(),
            rows: runs.iter().map(|run| TableRow::new(run, columns)).collect(),
            total: format!("{} {}", text::thousands(total as u64), if total == 1 { "run" } else { "runs" }),
            facets: facets.collect(),
            next_url: next.map(|next| address(&query, &sort, &[("cursor", &next)])),
            csv_url: address(&query, &sort, &[("format", "csv")]),
            query,
            error,
            sort,
            columns: names.clone(),
            position,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl TableRow {
    fn new(run: &Summary, columns: &[&'static Field]) -> TableRow {
        let cells = columns.iter().map(|field| Cell::new(run, field));
        TableRow { id: run.id.to_string(), name: run.name.clone(), url: run.url.clone(), cells: cells.collect() }
    }
}

impl Cell {
    fn new(run: &Summary, field: &Field) -> Cell {
        match (field.kind, &*field.name, field.value(run)) {
            (Kind::Curve, ..) => Cell::Curve,
            (_, "name", _) => Cell::Name,
            (_, "status", _) => Cell::Status(run.status.into()),
            (_, "epoch", _) => Cell::Number(format!("{} / {}", run.epoch, run.epochs)),
            (Kind::Number, _, Value::None) => Cell::Number(text::or_dash(None)),
            (_, _, Value::None) => Cell::Text(String::new()),
            (_, _, Value::Tags(tags)) => Cell::Tags(tags.to_vec()),
            (_, _, Value::Time(time_ms)) => Cell::Time(text::iso(time_ms), text::date(time_ms)),
            (_, _, Value::Flag(flag)) => Cell::Text(if flag { "yes" } else { "no" }.into()),
            (_, _, Value::Text(text)) => Cell::Text(text.into()),
            (_, name, Value::Number(number)) => Cell::Number(match field.unit {
                _ if name.ends_with("accuracy") => format!("{:.2} %", number * 100.0),
                "images/s" => text::thousands(number.max(0.0).round() as u64),
                "s" if name == "duration" => text::duration(number),
                // A choice is shown as it was made.
                _ if number.fract() == 0.0 || run.spec.value(name).is_some() => number.to_string(),
                _ => text::number(Some(number)),
            }),
        }
    }
}
