//! The page that lists the sweeps.

use super::plan::count;
use super::sweep::standing;
use crate::state::Status;
use crate::sweeps::{Sweep, Sweeps};
use crate::text;
use askama::Template;
use serde_json::Value;

/// Values of a setting that are named one by one.
const NAMED: usize = 6;

/// The sweeps.
#[derive(Template)]
#[template(path = "sweeps.html")]
pub(crate) struct SweepsPage {
    /// `12 sweeps`
    total: String,
    /// Where the older ones are that this page leaves out.
    more: Option<String>,
    rows: Vec<SweepRow>,
    version: &'static str,
}

struct SweepRow {
    name: String,
    url: String,
    /// What its runs differ in: `variant v1.0, v1.1`.
    varied: Vec<String>,
    /// `12 finished, 3 waiting`
    standing: String,
    /// `98.31 %`
    best: String,
    created_iso: String,
    created: String,
}

impl SweepsPage {
    /// These sweeps.
    pub(crate) fn new(list: &Sweeps) -> SweepsPage {
        SweepsPage {
            total: count(list.total, "sweep"),
            more: list.next.as_deref().map(|next| text::next_page("/sweeps", next)),
            rows: list.sweeps.iter().map(SweepRow::new).collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl SweepRow {
    fn new(sweep: &Sweep) -> SweepRow {
        let number = count(sweep.runs, "run");
        let counted = |status: &Status| sweep.statuses.get(status.word()).copied().unwrap_or_default();
        SweepRow {
            name: sweep.name.as_ref().map_or_else(|| number.clone(), |name| format!("{name}: {number}")),
            url: sweep.url.clone(),
            varied: sweep.varied.iter().map(|v| format!("{} {}", v.field, worded(&v.values))).collect(),
            standing: standing(counted),
            best: text::or_dash(sweep.best_test_accuracy.map(|best| format!("{:.2} %", best * 100.0))),
            created_iso: text::iso(sweep.created_ms),
            created: text::date(sweep.created_ms),
        }
    }
}

/// `1..5` for whole numbers that follow each other, else the first few.
fn worded(values: &[Value]) -> String {
    let whole = values.iter().map(Value::as_u64).collect::<Option<Vec<_>>>().unwrap_or_default();
    if whole.len() > 2 && whole.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
        return format!("{}..{}", whole[0], whole[whole.len() - 1]);
    }
    let named = values.iter().take(NAMED).map(text::plain).collect::<Vec<_>>().join(", ");
    match values.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn many_values_become_few_words() {
        let said = |values: Value| worded(values.as_array().unwrap());
        assert_eq!(said(json!([1, 2, 3, 4, 5])), "1..5");
        assert_eq!(said(json!([1, 3, 5])), "1, 3, 5");
        assert_eq!(said(json!(["v1.0", "v1.1"])), "v1.0, v1.1");
        assert_eq!(said(json!([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])), "0.1, 0.2, 0.3, 0.4, 0.5, 0.6 and 2 more");
    }
}
