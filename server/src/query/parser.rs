//! From tokens to a tree, by the grammar of [`super`], with an error that says what was expected where.

use super::QueryError;
use super::literal::{Literal, moment};
use super::node::{Node, OPS, Op, Part, allowed, ops};
use super::tokens::{Token, TokenKind, at, tokens};
use crate::fields::{self, Field, Kind};
use crate::text;
use std::ops::Range;

/// Parentheses and nots within each other at most.
const DEEPEST: usize = 32;

/// A query as a tree.
pub(super) struct Parsed {
    /// All must hold.
    pub(super) parts: Vec<Part>,
    /// Whether that is one part because of an `or` outside of parentheses.
    pub(super) loose: bool,
    /// The fields that were named.
    pub(super) named: Vec<&'static str>,
}

/// Reads a query; `now_ms` is what `-7d` and `today` count from.
pub(super) fn parse(source: &str, now_ms: u64) -> Result<Parsed, QueryError> {
    let mut parser = Parser { source, tokens: tokens(source)?, next: 0, depth: 0, now_ms, named: Vec::new() };
    let (parts, loose) = if parser.tokens.is_empty() { (Vec::new(), false) } else { parser.whole()? };
    Ok(Parsed { parts, loose, named: parser.named })
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    now_ms: u64,
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
                // `98 %`, as pages write it.
                let percent = bare && self.tokens.get(self.next + 1).is_some_and(|token| token.is_word("%"));
                let (written, share) =
                    (if percent { format!("{text}%") } else { text.into() }, text::is_share(&field.name));
                let expected = if share { text::SHARE } else { "a number like 0.98 or 98%" };
                let number = text::parsed(&written).filter(|n| !share || (0.0..=1.0).contains(n));
                let number = number.ok_or_else(|| wrong(expected.into()))?;
                self.next += usize::from(percent);
                Literal::Number(number)
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
