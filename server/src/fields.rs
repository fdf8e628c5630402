//! What a run can be asked for by name: the one table of fields behind the query language, the sort orders, the columns of
//! the table of runs and its CSV.
//!
//! A run's own fields stand here; those of its spec and its metrics follow from the trainer's tables, so that a field or a
//! metric added there can be found, sorted by and shown at once.

mod own;

use crate::pages::field_label;
use crate::state::Summary;
use own::own;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::OnceLock;
use trainer::measure::{METRICS, MILESTONES, Metric};
use trainer::spec::{self, SpecValue};

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any text.
    Text,
    /// One of the field's `values`.
    Word,
    /// A number.
    Number,
    /// A moment.
    Time,
    /// True or false.
    Flag,
    /// Any number of words.
    Tags,
    /// A course of numbers, to be drawn: nothing to compare with.
    Curve,
}

/// The value of a field of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known, or empty.
    None,
    /// Text or a word.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// Milliseconds since 1970-01-01 UTC.
    Time(u64),
    /// True or false.
    Flag(bool),
    /// Words, at least one.
    Tags(&'a [String]),
}

/// A field.
#[derive(Debug, Serialize)]
pub struct Field {
    /// Its name in queries and as a column.
    pub name: Cow<'static, str>,
    /// Other names that queries may use.
    pub aliases: &'static [&'static str],
    /// Its name for people.
    pub label: Cow<'static, str>,
    /// What it holds.
    pub kind: Kind,
    /// The words it may hold, where its kind is `word`.
    pub values: &'static [&'static str],
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// Which way is better; `None` where neither is.
    pub higher_is_better: Option<bool>,
    /// One sentence that says what it is.
    pub help: Cow<'static, str>,
    /// Where it stands in a summary: `spec.lr`; `None` where it is worked out.
    pub path: Option<String>,
    #[serde(skip)]
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Own(fn(&Summary) -> Value<'_>),
    Spec(&'static str),
    Last(&'static str),
    Best(&'static str),
    Reached(&'static str),
}

/// The columns that the table of runs shows unless told otherwise.
pub const USUAL_COLUMNS: &[&str] = &[
    "status",
    "name",
    "variant",
    "seed",
    "epoch",
    "best_test_accuracy",
    "accuracy_curve",
    "train_loss",
    "loss_curve",
    "duration",
    "started",
    "tags",
];

impl Field {
    /// Whether it holds something to sort by and to compare with.
    pub fn is_comparable(&self) -> bool {
        self.kind != Kind::Curve
    }

    /// What a run says to this field.
    pub fn value<'a>(&self, run: &'a Summary) -> Value<'a> {
        match self.source {
            Source::Own(read) => read(run),
            Source::Spec(name) => match run.spec.value(name) {
                None => Value::None,
                Some(SpecValue::Number(number)) => Value::Number(number),
                Some(SpecValue::Word(word)) => Value::Text(word.into()),
            },
            Source::Last(name) => number(run.metrics.get(name).map(|figure| figure.last)),
            Source::Best(name) => number(run.metrics.get(name).and_then(|figure| figure.best)),
            Source::Reached(name) => number(run.reached.get(name).copied().map(f64::from)),
        }
    }
}

fn number<'a>(number: Option<f64>) -> Value<'a> {
    number.map_or(Value::None, Value::Number)
}

/// Every field, in the order in which people think of them.
pub fn fields() -> &'static [Field] {
    static FIELDS: OnceLock<Vec<Field>> = OnceLock::new();
    FIELDS.get_or_init(|| {
        let mut all = own();
        let mut add = |field: Field| {
            // What a run says of itself is newer than what its last epoch or its spec says.
            if !all.iter().any(|known| known.name == field.name) {
                all.push(field);
            }
        };
        for f in spec::FIELDS.iter().filter(|f| !matches!(f.name, "name" | "variant" | "profile")) {
            let (kind, values) = match f.kind {
                spec::Kind::Word(words) => (Kind::Word, words),
                spec::Kind::Text { .. } => (Kind::Text, &[][..]),
                spec::Kind::Whole { .. } | spec::Kind::Number { .. } => (Kind::Number, &[][..]),
            };
            let field = simple(f.name, field_label(f.name), kind, f.help, Source::Spec(f.name));
            add(Field { values, path: Some(format!("spec.{}", f.name)), ..field });
        }
        let measured = |m: &'static Metric, name: String, label: String, path, source| Field {
            unit: m.unit,
            higher_is_better: m.higher_is_better,
            path: Some(path),
            ..simple(name, label, Kind::Number, m.help, source)
        };
        for m in METRICS {
            let last = format!("metrics.{}.last", m.name);
            add(measured(m, m.name.into(), m.label.into(), last, Source::Last(m.name)));
            if m.higher_is_better.is_some() {
                let (name, label) = (format!("best_{}", m.name), format!("Best {}", lower(m.label)));
                add(measured(m, name, label, format!("metrics.{}.best", m.name), Source::Best(m.name)));
            }
        }
        for m in MILESTONES.iter().map(|milestone| &milestone.metric) {
            let path = format!("reached.{}", m.name);
            add(measured(m, m.name.into(), m.label.into(), path, Source::Reached(m.name)));
        }
        all
    })
}

fn lower(label: &str) -> String {
    let (first, rest) = label.split_at(1);
    first.to_lowercase() + rest
}

fn simple(
    name: impl Into<Cow<'static, str>>,
    label: impl Into<Cow<'static, str>>,
    kind: Kind,
    help: impl Into<Cow<'static, str>>,
    source: Source,
) -> Field {
    Field {
        name: name.into(),
        aliases: &[],
        label: label.into(),
        kind,
        values: &[],
        unit: "",
        higher_is_better: None,
        help: help.into(),
        path: None,
        source,
    }
}

/// The field of that name or alias, in whatever case.
pub fn field(name: &str) -> Option<&'static Field> {
    let named = |field: &&Field| {
        field.name.eq_ignore_ascii_case(name) || field.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    };
    fields().iter().find(named)
}

/// The field whose name is nearest to one that is none, if any is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    nearest_of(name, fields().iter().flat_map(|f| f.aliases.iter().copied().chain([&*f.name])))
}

/// The known name that is nearest to another, if any is near.
pub fn nearest_of<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let (distance, nearest) = known.into_iter().map(|known| (edits(&name, known), known)).min()?;
    (distance <= 2 && distance < name.chars().count()).then_some(nearest)
}

/// How many letters have to be put in, taken out or replaced (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let mut row = (0..=b.chars().count()).collect::<Vec<_>>();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_leads_to_one_field() {
        let names = fields().iter().flat_map(|f| f.aliases.iter().copied().chain([&*f.name])).collect::<Vec<_>>();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        for column in USUAL_COLUMNS {
            assert!(field(column).is_some(), "{column}");
        }
        for name in ["batch_size", "best_test_loss", "Accuracy", "learning_rate", "tag", "epochs_to_98", "host"] {
            assert!(field(name).is_some(), "{name}");
        }
        assert!(field("best_learning_rate").is_none(), "neither way is better");
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        assert_eq!(nearest("acuracy"), Some("accuracy"));
        assert_eq!(nearest("bacth_size"), Some("batch_size"));
        assert_eq!(nearest("colour"), None);
    }
}
