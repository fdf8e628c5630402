//! A query as it is applied to a run: conditions, and what joins them.

use super::literal::{Literal, contains};
use crate::fields::{Field, Kind, Value};
use crate::state::Summary;
use std::ops::Range;

#[derive(Debug)]
pub(super) enum Node {
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
pub(super) type Part = (Node, Range<usize>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
    In,
}

pub(super) const OPS: [(&str, Op); 7] = [
    ("=", Op::Equal),
    ("!=", Op::Unequal),
    ("<", Op::Less),
    ("<=", Op::AtMost),
    (">", Op::More),
    (">=", Op::AtLeast),
    ("~", Op::Contains),
];

impl Node {
    pub(super) fn holds(&self, run: &Summary) -> bool {
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
    pub(super) fn choice(&self) -> Option<(&str, &[Literal])> {
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

pub(super) fn allowed(kind: Kind) -> &'static [Op] {
    match kind {
        Kind::Number | Kind::Time => &[Op::Equal, Op::Unequal, Op::Less, Op::AtMost, Op::More, Op::AtLeast, Op::In],
        Kind::Text | Kind::Tags => &[Op::Equal, Op::Unequal, Op::Contains, Op::In],
        Kind::Word => &[Op::Equal, Op::Unequal, Op::Contains, Op::In],
        Kind::Flag => &[Op::Equal, Op::Unequal],
        Kind::Curve => &[],
    }
}

/// The operators that a field takes, as a phrase.
pub(super) fn ops(field: &Field) -> String {
    let signs = OPS.iter().filter(|(_, op)| allowed(field.kind).contains(op)).map(|(sign, _)| format!("`{sign}`"));
    let mut signs = signs.collect::<Vec<_>>();
    if allowed(field.kind).contains(&Op::In) {
        signs.push("`in`".into());
    }
    if signs.is_empty() { "nothing (it can only be shown)".into() } else { signs.join(", ") }
}
