//! What tells runs apart: what they were asked to do, what they saw, and whatever else a run can be asked for by name.

use crate::error::Error;
use crate::fields::{self, Kind, fields};
use crate::query::narrowed;
use crate::state::Summary;
use crate::text;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use trainer::spec::{FIELDS, RunSpec, SpecValue, field};

/// What no mean may mix besides settings: the images that the runs saw, and from which epoch on a fork's settings are its own.
pub(crate) const APART: [&str; 2] = ["data", "fork"];

/// Values of a field that is offered to group by at most.
const MOST_VALUES: usize = 100;

/// A setting of a spec. Network and distance count as one, `variant`: the variant's word, or both parts where they have no name.
fn setting(spec: &RunSpec, name: &str) -> Option<Value> {
    match name {
        "variant" => Some(spec.variant().map_or_else(|| json!(spec.label()), |variant| json!(variant))),
        "network" | "distance" => None,
        other => spec.value(other).map(|value| match value {
            SpecValue::Number(value) => number(value),
            SpecValue::Word(word) => json!(word),
        }),
    }
}

/// A whole number without a fraction, as whoever asked for it wrote it.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// Whether two specs have the same value there.
fn agree(a: &RunSpec, b: &RunSpec, name: &str) -> bool {
    match name {
        "variant" => (a.network, a.distance) == (b.network, b.distance),
        other => a.value(other) == b.value(other),
    }
}

/// What a run was asked to do, setting by setting in the usual order.
pub(crate) fn settings(spec: &RunSpec) -> Vec<(&'static str, Value)> {
    FIELDS.iter().filter_map(|field| Some((field.name, setting(spec, field.name)?))).collect()
}

/// The names of the settings in which runs of these specs differ, in the usual order, without those that follow from
/// others in all of them.
pub(crate) fn varied<'a>(specs: impl IntoIterator<Item = &'a RunSpec>) -> Vec<&'static str> {
    let specs = specs.into_iter().collect::<Vec<_>>();
    let Some((first, others)) = specs.split_first() else { return Vec::new() };
    let names = FIELDS.iter().map(|field| field.name).filter(|name| !matches!(*name, "network" | "distance"));
    let names = names.filter(|name| others.iter().any(|other| !agree(first, other, name)));
    names.filter(|name| !specs.iter().all(|spec| spec.follows(name))).collect()
}

/// The names of the settings in which runs differ, and of [`APART`], in the usual order. What isn't known yet differs from nothing.
pub(crate) fn differing<'a>(runs: impl Clone + IntoIterator<Item = &'a Summary>) -> Vec<&'static str> {
    let mut names = varied(runs.clone().into_iter().map(|run| &run.spec));
    let seen = runs.clone().into_iter().filter(|run| run.data_name.is_some());
    let images = |run: &'a Summary| (run.data_name.as_deref(), run.data_digest.as_deref());
    let apart =
        [differ(seen.map(images)), differ(runs.into_iter().map(|run| run.fork.as_ref().map(|fork| fork.epoch)))];
    names.extend(APART.into_iter().zip(apart).filter(|(_, differ)| *differ).map(|(name, _)| name));
    names
}

fn differ<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// What else runs differ in that makes groups: words, tags and flags, and texts and days that more than one of them has.
pub(crate) fn others<'a>(runs: impl Clone + Iterator<Item = &'a Summary>) -> Vec<&'static str> {
    let count = runs.clone().count().max(1);
    let own = fields().iter().filter(|field| {
        let grouping =
            matches!(field.kind, Kind::Word | Kind::Text | Kind::Tags | Kind::Flag) || field.name == "created";
        grouping && !APART.contains(&&*field.name) && !FIELDS.iter().any(|setting| setting.name == field.name)
    });
    let tells = |field: &&fields::Field| {
        let mut values = HashSet::new();
        let few =
            if matches!(field.kind, Kind::Text | Kind::Time) { count.min(MOST_VALUES + 1) - 1 } else { MOST_VALUES };
        // No more are counted than have to be.
        let fits = runs.clone().all(|run| {
            values.extend(told(run, &field.name).iter().map(Value::to_string));
            values.len() <= few
        });
        fits && values.len() > 1
    };
    own.filter(tells).map(|field| &*field.name).collect()
}

/// What a run says to a field: one value, `null` where it isn't known, or each of its tags. A moment counts as its day.
pub(crate) fn told(run: &Summary, name: &str) -> Vec<Value> {
    if let Some(value) = setting(&run.spec, name) {
        return vec![value];
    }
    let one = match name {
        "data" => json!(run.data_name.as_deref().map(|name| text::data(Some(name), run.data_digest.as_deref()))),
        "fork" => json!(
            run.fork.as_ref().map_or_else(|| "no fork".into(), |fork| format!("forked after epoch {}", fork.epoch))
        ),
        other => match fields::field(other).map_or(fields::Value::None, |field| field.value(run)) {
            fields::Value::Tags(tags) => return tags.iter().map(|tag| json!(tag)).collect(),
            fields::Value::None => Value::Null,
            fields::Value::Text(text) => json!(text),
            fields::Value::Number(value) => number(value),
            fields::Value::Time(time_ms) => json!(text::day(time_ms)),
            fields::Value::Flag(flag) => json!(flag),
        },
    };
    vec![one]
}

/// A name to group by, as it is spelled.
///
/// # Errors
/// There is no such field, or nothing can be equal in it.
pub(crate) fn known(name: &str) -> Result<&'static str, Error> {
    let apart = APART.into_iter().find(|apart| *apart == name);
    let known = apart.or_else(|| fields::field(name).filter(|field| field.is_comparable()).map(|field| &*field.name));
    known.ok_or_else(|| {
        let expected = "fields of GET /runs/fields, `data` or `fork`, joined by commas: variant,lambda";
        Error::parameter("by", name, expected)
    })
}

/// Where a name stands in the usual order: settings, [`APART`], the rest.
pub(crate) fn place(name: &str) -> usize {
    let setting = FIELDS.iter().position(|field| field.name == name);
    let apart = || APART.iter().position(|apart| *apart == name).map(|at| FIELDS.len() + at);
    let rest = || fields().iter().position(|field| field.name == name).unwrap_or_default();
    setting.or_else(apart).unwrap_or_else(|| FIELDS.len() + APART.len() + rest())
}

/// A group for people: `V1.1, lambda 0.1, no tags`.
pub(crate) fn label(values: &Map<String, Value>) -> String {
    let mut values = values.iter().collect::<Vec<_>>();
    values.sort_by_key(|(name, _)| place(name));
    let worded = |(name, value): (&String, &Value)| match (name.as_str(), value) {
        ("data", Value::Null) => "data not known yet".into(),
        ("data" | "fork" | "status", known) => text::plain(known),
        ("variant", known) => text::plain(known).to_uppercase(),
        (name, Value::Null) => format!("no {}", wording(name)),
        (name, Value::Bool(flag)) => format!("{}{}", if *flag { "" } else { "not " }, wording(name)),
        (name, known) => format!("{} {}", wording(name), text::plain(known)),
    };
    let said = values.into_iter().map(worded).collect::<Vec<_>>().join(", ");
    if said.is_empty() { "all runs".into() } else { said }
}

/// A query for the runs of a group, of those that `source` means; `None` where no field says it.
pub(crate) fn query(source: &str, values: &Map<String, Value>) -> Option<String> {
    let tests = values.iter().map(|(name, value)| match (name.as_str(), value) {
        ("fork", _) => None,
        (name, Value::Null) => Some(vec![(name, None)]),
        // Without the digest, which no field has.
        ("data", known) => {
            let known = text::plain(known);
            Some(vec![("data", Some(known.rsplit_once(" (").map_or(known.clone(), |(name, _)| name.into())))])
        }
        ("variant", known) => Some(match text::plain(known).split_once(" · ") {
            None => vec![("variant", Some(text::plain(known)))],
            Some((network, distance)) => {
                vec![("network", Some(network.into())), ("distance", Some(distance.into()))]
            }
        }),
        (name, known) => Some(vec![(name, Some(text::plain(known)))]),
    });
    Some(narrowed(source, tests.collect::<Option<Vec<_>>>()?.into_iter().flatten()))
}

/// A field in a sentence: settings by their names, as a request has them, the rest by its label.
fn wording(name: &str) -> String {
    match name {
        "tags" => "tag".into(),
        name if field(name).is_some() => name.into(),
        name => fields::field(name).map_or_else(|| name.into(), |field| field.label.to_lowercase()),
    }
}
