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

use crate::fields::{self, Field, Kind, Value};
use crate::state::Summary;
use crate::text;
use serde_json::json;
use std::ops::Range;

/// Characters of a query at most.
const MOST_CHARS: usize = 2000;
/// Parentheses and nots within each other at most.
const DEEPEST: usize = 32;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

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

#[derive(Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// Lower case.
    Text(String),
    Test {
        field: &'static Field,
        op: Op,
        values: Vec<Literal>,
    },
}

/// A node and where it stands in the source, in bytes.
type Part = (Node, Range<usize>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
    In,
}

const OPS: [(&str, Op); 7] = [
    ("=", Op::Equal),
    ("!=", Op::Unequal),
    ("<", Op::Less),
    ("<=", Op::AtMost),
    (">", Op::More),
    (">=", Op::AtLeast),
    ("~", Op::Contains),
];

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    None,
    /// In lower case, and as it was written.
    Text(String, String),
    Number(f64),
    /// From the first moment to before the second.
    Time(u64, u64),
    Flag(bool),
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
        let mut parser = Parser { source, tokens: tokens(source)?, next: 0, depth: 0, now_ms, named: Vec::new() };
        let (parts, loose) = if parser.tokens.is_empty() { (Vec::new(), false) } else { parser.whole()? };
        let hides_archived = !parser.named.contains(&"archived");
        Ok(Query { source: source.into(), parts, loose, hides_archived })
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

impl Node {
    fn holds(&self, run: &Summary) -> bool {
        match self {
            Node::All(nodes) => nodes.iter().all(|node| node.holds(run)),
            Node::Any(nodes) => nodes.iter().any(|node| node.holds(run)),
            Node::Not(node) => !node.holds(run),
            Node::Text(text) => {
                contains(&run.name, text)
                    || contains(&run.notes, text)
                    || run.tags.iter().any(|tag| contains(tag, text))
            }
            Node::Test { field, op, values } => test(&field.value(run), *op, values),
        }
    }

    /// The field and the values, where this says that a field has one of them.
    fn choice(&self) -> Option<(&str, &[Literal])> {
        match self {
            Node::Test { field, op: Op::Equal | Op::In, values } => Some((&field.name, values)),
            _ => None,
        }
    }
}

fn test(value: &Value, op: Op, literals: &[Literal]) -> bool {
    let any = |holds: &dyn Fn(&Literal) -> bool| literals.iter().any(holds);
    match op {
        Op::Equal | Op::In => any(&|literal| literal.equals(value)),
        Op::Unequal => !any(&|literal| literal.equals(value)),
        Op::Contains => any(&|literal| match (value, literal) {
            (Value::Text(value), Literal::Text(lower, _)) => contains(value, lower),
            (Value::Tags(tags), Literal::Text(lower, _)) => tags.iter().any(|tag| contains(tag, lower)),
            _ => false,
        }),
        Op::Less | Op::AtMost | Op::More | Op::AtLeast => any(&|literal| match (value, literal) {
            (Value::Number(value), Literal::Number(number)) => match op {
                Op::Less => value < number,
                Op::AtMost => value <= number,
                Op::More => value > number,
                _ => value >= number,
            },
            (Value::Time(value), Literal::Time(from, until)) => match op {
                Op::Less => value < from,
                Op::AtMost => value < until,
                Op::More => value >= until,
                _ => value >= from,
            },
            _ => false,
        }),
    }
}

impl Literal {
    fn equals(&self, value: &Value) -> bool {
        match (value, self) {
            (Value::None, Literal::None) => true,
            (Value::Text(value), Literal::Text(lower, _)) => same(value, lower),
            (Value::Tags(tags), Literal::Text(lower, _)) => tags.iter().any(|tag| same(tag, lower)),
            (Value::Number(value), Literal::Number(number)) => value == number,
            (Value::Time(value), Literal::Time(from, until)) => (from..until).contains(&value),
            (Value::Flag(value), Literal::Flag(flag)) => value == flag,
            _ => false,
        }
    }

    fn is(&self, word: &str) -> bool {
        match self {
            Literal::Text(lower, _) => same(word, lower),
            other => word == other.word(),
        }
    }

    fn word(&self) -> String {
        match self {
            Literal::None => "none".into(),
            Literal::Text(_, written) => written.clone(),
            Literal::Number(number) => number.to_string(),
            Literal::Time(from, _) => text::iso(*from),
            Literal::Flag(flag) => flag.to_string(),
        }
    }
}

/// Whether a text is this lower-case one, whatever its case.
fn same(text: &str, lower: &str) -> bool {
    text.eq_ignore_ascii_case(lower) || (!text.is_ascii() && text.to_lowercase() == lower)
}

fn contains(text: &str, lower: &str) -> bool {
    text.to_lowercase().contains(lower)
}

#[derive(Debug)]
struct Token {
    /// In bytes of the source.
    place: Range<usize>,
    kind: TokenKind,
}

#[derive(Debug, PartialEq)]
enum TokenKind {
    Word(String),
    Quoted(String),
    Sign,
}

fn tokens(source: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = source.char_indices().peekable();
    while let Some(&(start, first)) = rest.peek() {
        rest.next();
        let end =
            |rest: &mut std::iter::Peekable<std::str::CharIndices>| rest.peek().map_or(source.len(), |&(at, _)| at);
        let kind = match first {
            _ if first.is_whitespace() => continue,
            '(' | ')' | ',' | '=' | '~' => TokenKind::Sign,
            '<' | '>' | '!' => {
                rest.next_if(|&(_, c)| c == '=');
                TokenKind::Sign
            }
            '"' | '\'' => {
                let mut text = String::new();
                loop {
                    match rest.next() {
                        Some((_, c)) if c == first => break TokenKind::Quoted(text),
                        Some((_, '\\')) => text.extend(rest.next().map(|(_, c)| c)),
                        Some((_, c)) => text.push(c),
                        None => {
                            let expected = format!("a closing {first}");
                            return Err(at(source, start..source.len(), expected));
                        }
                    }
                }
            }
            _ => {
                let inside = |c: char| !c.is_whitespace() && !"()=!<>~,\"'".contains(c);
                while rest.next_if(|&(_, c)| inside(c)).is_some() {}
                TokenKind::Word(source[start..end(&mut rest)].into())
            }
        };
        tokens.push(Token { place: start..end(&mut rest), kind });
    }
    Ok(tokens)
}

/// An error at a place of the source, in bytes.
fn at(source: &str, place: Range<usize>, expected: impl Into<String>) -> QueryError {
    let found = match &source[place.clone()] {
        "" => "the end".into(),
        text => format!("`{}`", text.chars().take(60).collect::<String>()),
    };
    let position = source[..place.start].chars().count();
    QueryError { position, length: source[place].chars().count(), expected: expected.into(), found }
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    now_ms: u64,
    /// The fields that were named.
    named: Vec<&'static str>,
}

impl Parser<'_> {
    /// The parts that must all hold, each with its place, and whether they are one because of an `or`.
    fn whole(&mut self) -> Result<(Vec<Part>, bool), QueryError> {
        let mut parts = self.all()?;
        let loose = self.at("or");
        if loose {
            self.next = 0;
            parts = vec![(self.any()?, 0..self.source.len())];
        }
        match self.tokens.get(self.next) {
            None => Ok((parts, loose)),
            Some(token) => Err(at(self.source, token.place.clone(), "`and`, `or` or the end")),
        }
    }

    fn any(&mut self) -> Result<Node, QueryError> {
        let mut nodes = vec![self.all_node()?];
        while self.keyword("or") {
            nodes.push(self.all_node()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
    }

    fn all_node(&mut self) -> Result<Node, QueryError> {
        let mut nodes = self.all()?.into_iter().map(|(node, _)| node).collect::<Vec<_>>();
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
    }

    fn all(&mut self) -> Result<Vec<Part>, QueryError> {
        let mut parts = Vec::new();
        loop {
            let start = self.place().start;
            let node = self.not()?;
            let end = self.tokens[..self.next].last().map_or(start, |token| token.place.end);
            parts.push((node, start..end));
            let more = self.keyword("and") || !(self.tokens.get(self.next).is_none() || self.at("or") || self.at(")"));
            if !more {
                return Ok(parts);
            }
        }
    }

    fn not(&mut self) -> Result<Node, QueryError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(at(self.source, self.place(), format!("at most {DEEPEST} levels of parentheses")));
        }
        let node = if self.keyword("not") {
            Node::Not(Box::new(self.not()?))
        } else if self.sign("(") {
            let node = self.any()?;
            self.expect(")", "`)`, `and` or `or`")?;
            node
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node, QueryError> {
        let place = self.place();
        let name = match self.tokens.get(self.next).map(|token| &token.kind) {
            Some(TokenKind::Quoted(text)) => {
                let text = text.to_lowercase();
                self.next += 1;
                return Ok(Node::Text(text));
            }
            Some(TokenKind::Word(word)) if !["and", "or", "in"].iter().any(|k| word.eq_ignore_ascii_case(k)) => {
                word.clone()
            }
            _ => return Err(at(self.source, place, "a field like `accuracy`, or a text to search for")),
        };
        self.next += 1;
        let field = fields::field(&name);
        let after = self.place();
        let op = if self.keyword("in") { Some(Op::In) } else { self.operator()? };
        let (field, op) = match (field, op) {
            (Some(field), Some(op)) => (field, op),
            (None, None) => return Ok(Node::Text(name.to_lowercase())),
            (Some(field), None) => {
                let expected =
                    format!("{} after `{name}` (or \"{name}\" in quotes, to search for the word)", ops(field));
                return Err(at(self.source, after, expected));
            }
            (None, Some(_)) => {
                let guess = fields::nearest(&name).map_or(String::new(), |guess| format!(": did you mean `{guess}`?"));
                return Err(at(self.source, place, format!("a field before the operator{guess}")));
            }
        };
        if !allowed(field.kind).contains(&op) {
            return Err(at(self.source, after, format!("{} after `{name}`", ops(field))));
        }
        self.named.push(&field.name);
        let values = match op {
            Op::In => {
                self.expect("(", "`(`")?;
                let mut values = vec![self.value(field)?];
                while self.sign(",") {
                    values.push(self.value(field)?);
                }
                self.expect(")", "`,` or `)`")?;
                values
            }
            _ => vec![self.value(field)?],
        };
        Ok(Node::Test { field, op, values })
    }

    fn operator(&mut self) -> Result<Option<Op>, QueryError> {
        let Some(Token { kind: TokenKind::Sign, place }) = self.tokens.get(self.next) else { return Ok(None) };
        let sign = &self.source[place.clone()];
        if sign == "!" {
            return Err(at(self.source, place.clone(), "`!=`"));
        }
        let op = OPS.iter().find(|(text, _)| *text == sign).map(|(_, op)| *op);
        self.next += usize::from(op.is_some());
        Ok(op)
    }

    fn value(&mut self, field: &Field) -> Result<Literal, QueryError> {
        let place = self.place();
        let wrong = |expected: String| at(self.source, place.clone(), format!("{expected} for `{}`", field.name));
        let (text, bare) = match self.tokens.get(self.next).map(|token| &token.kind) {
            Some(TokenKind::Word(word)) => (word.as_str(), true),
            Some(TokenKind::Quoted(text)) => (text.as_str(), false),
            _ => return Err(wrong("a value".into())),
        };
        let literal = match field.kind {
            _ if bare && text.eq_ignore_ascii_case("none") => Literal::None,
            Kind::Word if !field.values.iter().any(|word| word.eq_ignore_ascii_case(text)) => {
                return Err(wrong(format!("one of {}", field.values.join(", "))));
            }
            Kind::Text | Kind::Word | Kind::Tags | Kind::Curve => Literal::Text(text.to_lowercase(), text.into()),
            Kind::Number => {
                number(text).map(Literal::Number).ok_or_else(|| wrong("a number like 0.98 or 98%".into()))?
            }
            Kind::Flag => match text.to_ascii_lowercase().as_str() {
                "true" => Literal::Flag(true),
                "false" => Literal::Flag(false),
                _ => return Err(wrong("true or false".into())),
            },
            Kind::Time => {
                let (from, until) = moment(text, self.now_ms)
                    .ok_or_else(|| wrong("a day like 2026-01-31, \"2026-01-31 12:00\", today, or -7d".into()))?;
                Literal::Time(from, until)
            }
        };
        self.next += 1;
        Ok(literal)
    }

    /// Where the next token stands, in bytes; empty at the end.
    fn place(&self) -> Range<usize> {
        self.tokens.get(self.next).map_or(self.source.len()..self.source.len(), |token| token.place.clone())
    }

    /// Whether the next token is this word or sign.
    fn at(&self, text: &str) -> bool {
        self.tokens.get(self.next).is_some_and(|token| match &token.kind {
            TokenKind::Word(word) => word.eq_ignore_ascii_case(text),
            TokenKind::Quoted(_) => false,
            TokenKind::Sign => &self.source[token.place.clone()] == text,
        })
    }

    fn keyword(&mut self, word: &str) -> bool {
        let there = self.at(word);
        self.next += usize::from(there);
        there
    }

    fn sign(&mut self, sign: &str) -> bool {
        self.keyword(sign)
    }

    fn expect(&mut self, sign: &str, expected: &str) -> Result<(), QueryError> {
        if self.sign(sign) { Ok(()) } else { Err(at(self.source, self.place(), expected)) }
    }
}

fn allowed(kind: Kind) -> &'static [Op] {
    match kind {
        Kind::Number | Kind::Time => &[Op::Equal, Op::Unequal, Op::Less, Op::AtMost, Op::More, Op::AtLeast, Op::In],
        Kind::Text | Kind::Tags => &[Op::Equal, Op::Unequal, Op::Contains, Op::In],
        Kind::Word => &[Op::Equal, Op::Unequal, Op::Contains, Op::In],
        Kind::Flag => &[Op::Equal, Op::Unequal],
        Kind::Curve => &[],
    }
}

/// The operators that a field takes, as a phrase.
fn ops(field: &Field) -> String {
    let signs = OPS.iter().filter(|(_, op)| allowed(field.kind).contains(op)).map(|(sign, _)| format!("`{sign}`"));
    let mut signs = signs.collect::<Vec<_>>();
    if allowed(field.kind).contains(&Op::In) {
        signs.push("`in`".into());
    }
    if signs.is_empty() { "nothing (it can only be shown)".into() } else { signs.join(", ") }
}

fn number(text: &str) -> Option<f64> {
    // Read as a power of ten, since a division would round once more: 98.12% is 0.9812.
    let plain = text.strip_suffix('%').map(|digits| format!("{}e-2", digits.trim()));
    plain.as_deref().unwrap_or(text.trim()).parse::<f64>().ok().filter(|n| n.is_finite())
}

/// The span of time that a text means, in milliseconds since 1970-01-01 UTC.
fn moment(text: &str, now_ms: u64) -> Option<(u64, u64)> {
    let day = |start: u64| (start, start + DAY_MS);
    let today = now_ms - now_ms % DAY_MS;
    match text.to_ascii_lowercase().as_str() {
        "today" => return Some(day(today)),
        "yesterday" => return Some(day(today.saturating_sub(DAY_MS))),
        _ => {}
    }
    if let Some(ago) = text.strip_prefix('-') {
        let (digits, unit) = ago.split_at_checked(ago.len().checked_sub(1)?)?;
        let unit = match unit {
            "m" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            "w" => 7 * DAY_MS,
            _ => return None,
        };
        let then = now_ms.saturating_sub(digits.parse::<u64>().ok()?.saturating_mul(unit));
        return Some((then, then + 1));
    }
    let (date, clock) = text.trim_end_matches('Z').split_once(['T', ' ']).map_or((text, None), |(d, c)| (d, Some(c)));
    let start = text::day_start(date)?;
    let Some(clock) = clock else { return Some(day(start)) };
    let mut parts = clock.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().map_or(Some(None), |second| second.map(Some))?;
    if hour > 23 || minute > 59 || second.is_some_and(|second| second > 59) {
        return None;
    }
    let start = start + hour * HOUR_MS + minute * MINUTE_MS + second.unwrap_or(0) * 1000;
    Some((start, start + if second.is_some() { 1000 } else { MINUTE_MS }))
}

#[cfg(test)]
mod tests {
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
            ("accuracy > high", 11, 4, "a number like 0.98 or 98% for `test_accuracy`"),
            ("accuracy > nan", 11, 3, "a number like 0.98 or 98% for `test_accuracy`"),
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
            "query, character 12: expected a number like 0.98 or 98% for `test_accuracy`, found `high`"
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
