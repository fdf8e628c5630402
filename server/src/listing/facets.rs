//! How many of the runs that a query means have which value.

use crate::changes::Position;
use crate::fields::{Field, Value, fields};
use crate::query::Query;
use crate::state::Summary;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The facets of the table of runs.
const FACETS: [&str; 6] = ["status", "variant", "network", "data", "tags", "archived"];
/// Values of a facet at most, the most frequent first.
const MOST_VALUES: usize = 30;

/// A facet: how many runs have which value.
#[derive(Debug, Serialize)]
pub struct Facet {
    /// The field.
    pub field: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its values, the most frequent first.
    pub values: Vec<FacetValue>,
}

/// A value of a facet.
#[derive(Debug, Serialize)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// How many runs have it, whichever values of this facet are chosen.
    pub count: usize,
    /// Whether the query chooses it.
    pub chosen: bool,
    /// The query with this value chosen, or no longer.
    pub query: String,
}

/// The facets where nothing is asked for, as most readers begin: counted anew only after a run has changed.
#[derive(Debug, Default)]
pub(crate) struct KeptFacets(Mutex<Option<(Position, Arc<[Facet]>)>>);

impl KeptFacets {
    /// The facets of all runs as they are at a position, or after it.
    pub(crate) fn of(&self, query: &Query, position: Position, all: &[Arc<Summary>]) -> Arc<[Facet]> {
        if !query.is_empty() {
            return facets(query, all).into();
        }
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, facets)) = kept().as_ref().filter(|(known, _)| *known == position) {
            return facets.clone();
        }
        let counted: Arc<[Facet]> = facets(query, all).into();
        *kept() = Some((position, counted.clone()));
        counted
    }
}

/// Counts the facets of the runs that a query means.
fn facets(query: &Query, all: &[Arc<Summary>]) -> Vec<Facet> {
    let facets =
        FACETS.map(|name| fields().iter().find(|field| field.name == name).map(|field| (field, HashMap::new())));
    let mut facets = facets.into_iter().flatten().collect::<Vec<(&Field, HashMap<String, usize>)>>();
    for run in all {
        let Some(only) = query.kept_out_by(run) else { continue };
        for (field, counts) in facets.iter_mut().filter(|(field, _)| only.is_none_or(|only| only == field.name)) {
            let mut count = |value: &str| match counts.get_mut(value) {
                Some(count) => *count += 1,
                None => drop(counts.insert(value.into(), 1)),
            };
            match field.value(run) {
                Value::Text(text) => count(&text),
                Value::Tags(tags) => tags.iter().for_each(|tag| count(tag)),
                Value::Flag(true) => count("true"),
                _ => {}
            }
        }
    }
    let told = facets.into_iter().map(|(field, counts)| {
        let mut counts = counts.into_iter().collect::<Vec<_>>();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(MOST_VALUES);
        let values = counts.into_iter().map(|(value, count)| FacetValue {
            count,
            chosen: query.chooses(&field.name, &value),
            query: query.toggled(&field.name, &value),
            value,
        });
        Facet { field: &field.name, label: &field.label, values: values.collect() }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::tests::runs;

    #[test]
    fn facets_count_as_if_their_own_choice_were_open() {
        let count = |query: &str, field: &str| {
            let query = Query::parse(query, 0).unwrap();
            let facets = facets(&query, &runs());
            let facet = facets.into_iter().find(|facet| facet.field == field).unwrap();
            facet.values.into_iter().map(|v| (v.value, v.count, v.chosen)).collect::<Vec<_>>()
        };
        let both = vec![("deep".to_string(), 20, false), ("shallow".to_string(), 20, false)];
        assert_eq!(count("", "network"), both);
        let chosen = vec![("deep".to_string(), 20, true), ("shallow".to_string(), 20, false)];
        assert_eq!(count("network = deep", "network"), chosen);
        assert_eq!(count("network = deep", "status"), [("SCHEDULED".to_string(), 20, false)]);
        assert_eq!(
            count("network = deep and seed = 1", "network"),
            [("deep".into(), 2, true), ("shallow".into(), 2, false)]
        );
        assert_eq!(count("", "archived"), []);
    }
}
