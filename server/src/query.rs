//! The query language of the table of runs: `variant = "v1.1" and accuracy > 0.98 and tag = "paper"`.
//!
//! ```text
//! query = or                               (empty: every run)
//! or    = and { "or" and }
//! and   = not { ["and"] not }              (side by side means and)
//! not   = "not" not | "(" or ")" | test
//! test  = field ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~") value
//!       | field "in" "(" value { "," value } ")"
//!       | text                             (in name, tags or notes)
//! value = word | "quoted" | 'quoted'
//! ```
//! `~` means contains. Case doesn't matter. Numbers may be percent (`98%`); times are a day (`2026-01-31`, `today`,
//! `yesterday`), a minute (`"2026-01-31 12:00"`), or so long ago (`-7d`, `-12h`, `-30m`), all of them UTC; flags are `true`
//! or `false`; `none` stands for what isn't known. Fields are those of [`crate::fields`].
//!
//! Archived runs are left out unless the query names `archived`.

mod literal;
mod node;
mod parser;
mod tokens;

use crate::state::Summary;
use literal::Literal;
use node::Part;
use parser::Parsed;
use serde_json::json;

/// Characters of a query at most.
const MOST_CHARS: usize = 2000;

/// A query that was understood.
#[derive(Debug)]
pub struct Query {
    source: String,
    /// All must hold.
    parts: Vec<Part>,
    /// Whether that is one part because of an `or` outside of parentheses.
    loose: bool,
    /// Whether nothing was said about archived runs, so that they are left out.
    hides_archived: bool,
}

/// What is wrong with a query.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("query, character {}: expected {expected}, found {found}", .position + 1)]
pub struct QueryError {
    /// Where, in characters from 0.
    pub position: usize,
    /// How many characters are at fault; 0 at the end of the query.
    pub length: usize,
    /// What would have been right, as a phrase.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl QueryError {
    /// Its parts, for programs.
    pub fn members(&self) -> serde_json::Value {
        let QueryError { position, length, expected, .. } = self;
        json!({"detail": self.to_string(), "position": position, "length": length, "expected": expected})
    }
}

impl Query {
    /// Reads a query; `now_ms` is what `-7d` and `today` count from.
    ///
    /// # Errors
    /// Where it makes no sense, and what was expected there.
    pub fn parse(source: &str, now_ms: u64) -> Result<Query, QueryError> {
        let length = source.chars().count();
        if length > MOST_CHARS {
            let found = format!("{length} characters");
            let expected = format!("a query of at most {MOST_CHARS} characters");
            return Err(QueryError { position: MOST_CHARS, length: length - MOST_CHARS, expected, found });
        }
        let Parsed { parts, loose, named } = parser::parse(source, now_ms)?;
        Ok(Query { source: source.into(), parts, loose, hides_archived: !named.contains(&"archived") })
    }

    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether a run is meant.
    pub fn matches(&self, run: &Summary) -> bool {
        !(self.hides_archived && run.archived) && self.parts.iter().all(|(node, _)| node.holds(run))
    }

    /// What keeps a run out: `Some(None)` is nothing, `Some(Some(field))` only that another value of this field is chosen,
    /// and `None` anything else.
    pub fn kept_out_by(&self, run: &Summary) -> Option<Option<&str>> {
        let mut only = (self.hides_archived && run.archived).then_some("archived");
        for (node, _) in self.parts.iter().filter(|(node, _)| !node.holds(run)) {
            let (field, _) = node.choice()?;
            if only.is_some_and(|only| only != field) {
                return None;
            }
            only = Some(field);
        }
        Some(only)
    }

    /// Whether the query chooses this value of this field.
    pub fn chooses(&self, field: &str, value: &str) -> bool {
        let chosen = self.parts.iter().filter_map(|(node, _)| node.choice()).find(|(name, _)| *name == field);
        chosen.is_some_and(|(_, values)| values.iter().any(|literal| literal.is(value)))
    }

    /// The query with this value of this field chosen, or no longer.
    pub fn toggled(&self, field: &str, value: &str) -> String {
        let mut clauses = Vec::new();
        let mut toggled = false;
        for (node, place) in &self.parts {
            match node.choice() {
                Some((name, values)) if name == field && !toggled => {
                    toggled = true;
                    let mut words = values.iter().map(Literal::word).collect::<Vec<_>>();
                    match values.iter().position(|literal| literal.is(value)) {
                        Some(place) => drop(words.remove(place)),
                        None => words.push(value.into()),
                    }
                    clauses.extend(clause(field, &words));
                }
                _ if self.loose => clauses.push(format!("({})", self.source.trim())),
                _ => clauses.push(self.source[place.clone()].into()),
            }
        }
        if !toggled {
            clauses.extend(clause(field, &[value.into()]));
        }
        clauses.join(" and ")
    }
}

/// A query for those of its runs that have these values; `None` stands for what isn't known.
pub(crate) fn narrowed<'a>(source: &str, values: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let whole = Some(source.trim()).filter(|source| !source.is_empty()).map(|source| format!("({source})"));
    let written = |value: String| if value.parse::<f64>().is_ok() { value } else { quoted(&value) };
    let test =
        |(field, value): (&str, Option<String>)| format!("{field} = {}", value.map_or_else(|| "none".into(), written));
    whole.into_iter().chain(values.into_iter().map(test)).collect::<Vec<_>>().join(" and ")
}

fn clause(field: &str, words: &[String]) -> Option<String> {
    match words {
        [] => None,
        [word] => Some(format!("{field} = {}", quoted(word))),
        words => Some(format!("{field} in ({})", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))),
    }
}

/// Text as a query takes it, whatever it holds.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::literal::DAY_MS;
    use super::*;
    use crate::state::{LogLine, RunState};
    use crate::store::RunId;
    use trainer::event::{Edit, RunEvent};
    use trainer::spec::{Distance, Network, Profile, RunSpec};

    /// 2026-11-25 12:00 UTC.
    const NOW: u64 = 1_795_608_000_000;

    fn run() -> Summary {
        let spec = RunSpec::preset(Profile::Quick, Network::Deep, Distance::Root);
        let scheduled =
            RunEvent::Scheduled { name: "Baseline Ü 3".into(), comparison: None, sweep: None, spec, fork: None };
        let mut state =
            RunState::begin(RunId::fresh(), &LogLine { seq: 1, time_ms: NOW - 2 * DAY_MS, event: scheduled }).unwrap();
        let tags = Some(vec!["paper".into(), "seed study".into()]);
        let edit = RunEvent::Edited(Edit { tags, notes: Some("looks good".into()), ..Edit::default() });
        state.apply(&LogLine { seq: 2, time_ms: NOW, event: edit });
        Summary { test_accuracy: Some(0.9812), best_test_accuracy: Some(0.99), ..state.summary }
    }

    fn holds(query: &str) -> bool {
        Query::parse(query, NOW).unwrap_or_else(|error| panic!("{query}: {error}")).matches(&run())
    }

    #[test]
    fn what_holds_is_found() {
        for query in [
            "",
            "  ",
            "variant = \"v1.1\" and accuracy > 0.98 and tag = \"paper\"",
            "variant = V1.1",
            "variant in (v1.0, v1.1)",
            "accuracy >= 98.12% and accuracy <= 0.9812 and accuracy != 0.5",
            "not accuracy < 0.98",
            "variant = v1.0 or seed = 1",
            "(variant = v1.0 or seed = 1) and status = scheduled",
            "variant = v1.0 and seed = 9 or seed = 1",
            "tag = 'SEED study'",
            "tags ~ study",
            "tags != draft",
            "name ~ 'baseline ü'",
            "baseline paper good",
            "\"seed study\"",
            "created = 2026-11-23",
            "created > 2026-11-22 created < today",
            "created > -3d and created < -1d",
            "created = \"2026-11-23 12:00\"",
            "created >= 2026-11-23T12:00:00Z",
            "started = none and ended = none and reason = none",
            "train_loss = none",
            "lr = 0.01 and batch_size = 64 and dataset = auto",
            "archived = false",
            "best_accuracy = 99%",
            "accuracy > 98 % and best_accuracy in (98 %, 99 %) seed < 2",
            "name != \"a\\\"b\"",
            "loss = root",
        ] {
            assert!(holds(query), "{query}");
        }
    }

    #[test]
    fn what_does_not_hold_is_not() {
        for query in [
            "variant = v1.0",
            "accuracy > 0.9812",
            "accuracy < none",
            "train_loss < 5",
            "not (seed = 1)",
            "not not not seed = 1",
            "tag = pap",
            "draft",
            "baseline draft",
            "created = yesterday",
            "created > 2026-11-23",
            "archived = true",
            "tags = none",
            "variant = v1.0 or seed = 1 and seed = 2",
        ] {
            assert!(!holds(query), "{query}");
        }
    }

    #[test]
    fn archived_runs_are_left_out_unless_asked_for() {
        let archived = Summary { archived: true, ..run() };
        let found = |query: &str| Query::parse(query, NOW).unwrap().matches(&archived);
        assert!(!found("") && !found("seed = 1"));
        assert!(found("archived = true") && found("seed = 1 and (archived = true or seed = 2)"));
    }

    #[test]
    fn errors_say_where_and_what_was_expected() {
        for (query, position, length, expected) in [
            ("accuracy >", 10, 0, "a value for `test_accuracy`"),
            ("accuracy > high", 11, 4, "a share from 0 to 1, like 0.98 or 98% for `test_accuracy`"),
            ("accuracy > 98", 11, 2, "a share from 0 to 1, like 0.98 or 98% for `test_accuracy`"),
            ("accuracy > 980 %", 11, 3, "a share from 0 to 1, like 0.98 or 98% for `test_accuracy`"),
            ("train_loss > nan", 13, 3, "a number like 0.98 or 98% for `train_loss`"),
            ("acuracy > 1", 0, 7, "a field before the operator: did you mean `accuracy`?"),
            ("ü ö = 1", 2, 1, "a field before the operator"),
            ("variant = v9", 10, 2, "one of v1.0, v1.1, v1.2 for `variant`"),
            ("variant > v1.0", 8, 1, "`=`, `!=`, `~`, `in` after `variant`"),
            (
                "seed and x",
                5,
                3,
                "`=`, `!=`, `<`, `<=`, `>`, `>=`, `in` after `seed` (or \"seed\" in quotes, to search for the word)",
            ),
            ("(seed = 1", 9, 0, "`)`, `and` or `or`"),
            ("seed = 1)", 8, 1, "`and`, `or` or the end"),
            ("seed in 1", 8, 1, "`(`"),
            ("seed in (1 2)", 11, 1, "`,` or `)`"),
            ("seed = 1 and", 12, 0, "a field like `accuracy`, or a text to search for"),
            ("or", 0, 2, "a field like `accuracy`, or a text to search for"),
            ("name = \"x", 7, 2, "a closing \""),
            ("name ! x", 5, 1, "`!=`"),
            ("created > soon", 10, 4, "a day like 2026-01-31, \"2026-01-31 12:00\", today, or -7d for `created`"),
            (
                "created > 2026-02-30",
                10,
                10,
                "a day like 2026-01-31, \"2026-01-31 12:00\", today, or -7d for `created`",
            ),
            ("archived = 1", 11, 1, "true or false for `archived`"),
            ("loss_curve = 1", 11, 1, "nothing (it can only be shown) after `loss_curve`"),
        ] {
            let error = Query::parse(query, NOW).expect_err(query);
            assert_eq!(
                (error.position, error.length, error.expected.as_str()),
                (position, length, expected),
                "{query}"
            );
        }
        let message = Query::parse("accuracy > high", NOW).unwrap_err().to_string();
        assert_eq!(
            message,
            "query, character 12: expected a share from 0 to 1, like 0.98 or 98% for `test_accuracy`, found `high`"
        );
    }

    #[test]
    fn nothing_is_too_long_too_deep_or_too_odd() {
        let deep = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
        for query in [
            deep.as_str(),
            &"not ".repeat(400),
            &"a ".repeat(2000),
            "created > -999999999999999999999d",
            "a = \\",
            "\"\\",
        ] {
            assert!(Query::parse(query, NOW).is_err(), "{query}");
        }
        assert!(Query::parse("created > -99999999999999999w and created > -0m", NOW).is_ok());
        assert!(Query::parse(&"a ".repeat(999), NOW).is_ok());
    }

    #[test]
    fn a_facet_is_one_clause_more_or_less() {
        let toggled = |query: &str, value: &str| Query::parse(query, NOW).unwrap().toggled("status", value);
        assert_eq!(toggled("", "FAILED"), "status = \"FAILED\"");
        assert_eq!(toggled("status = FAILED", "FAILED"), "");
        assert_eq!(
            toggled("seed=1 and status = FAILED x", "KILLED"),
            "seed=1 and status in (\"FAILED\", \"KILLED\") and x"
        );
        assert_eq!(toggled("status in (failed, killed)", "KILLED"), "status = \"failed\"");
        assert_eq!(toggled("a or b", "FAILED"), "(a or b) and status = \"FAILED\"");
        assert_eq!(toggled("(a or b) not c", "FAILED"), "(a or b) and not c and status = \"FAILED\"");
        let odd = Query::parse("", NOW).unwrap().toggled("tags", "a \"b\\");
        assert!(Query::parse(&odd, NOW).unwrap().chooses("tags", "a \"b\\"), "{odd}");
    }

    #[test]
    fn a_facet_counts_what_its_own_choice_keeps_out() {
        let kept = |query: &str| Query::parse(query, NOW).unwrap().kept_out_by(&run()).map(|f| f.map(str::to_string));
        assert_eq!(kept("seed = 1"), Some(None));
        assert_eq!(kept("variant = v1.0"), Some(Some("variant".into())));
        assert_eq!(kept("variant = v1.0 and status = failed"), None);
        assert_eq!(kept("seed > 1"), None);
        assert_eq!(kept("variant = v1.0 and not baseline"), None);
    }
}
