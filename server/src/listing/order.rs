//! In which order a list shows its runs, and where a page of it ended.

use crate::error::Error;
use crate::fields::{self, Field, Value, field};
use crate::state::Summary;
use crate::store::RunId;
use std::cmp::Ordering;
use std::str::FromStr;

/// Characters of a text that a list is sorted by, so that a cursor fits into an address; a name has as many at most.
const KEY_CHARS: usize = 120;

/// How a list is ordered.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// By what.
    pub field: &'static Field,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// What a run is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Number(f64),
    /// Lower case, and no longer than a cursor may be.
    Text(String),
    None,
}

impl Key {
    fn text(text: &str) -> Key {
        Key::Text(text.chars().take(KEY_CHARS).collect::<String>().to_lowercase())
    }
}

/// The last entry of a page, as it was sorted.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    pub(super) key: Key,
    pub(super) id: RunId,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.key {
            Key::Number(number) => write!(f, "{}n{number}", self.id),
            Key::Text(text) => write!(f, "{}t{text}", self.id),
            Key::None => write!(f, "{}_", self.id),
        }
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let (id, key) = text.split_at_checked(36).ok_or(())?;
        let id = id.parse().map_err(|_| ())?;
        let key = match key.split_at_checked(1).ok_or(())? {
            ("n", number) => Key::Number(number.parse().map_err(|_| ())?),
            ("t", text) => Key::Text(text.into()),
            ("_", "") => Key::None,
            _ => return Err(()),
        };
        Ok(Cursor { key, id })
    }
}

impl FromStr for Sort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Sort, Error> {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        match field(name).filter(|field| field.is_comparable()) {
            Some(field) => Ok(Sort { field, descending }),
            None => {
                let guess = fields::nearest(name).unwrap_or("accuracy");
                let expected =
                    format!("a field to sort by, like `{guess}` or `-{guess}` (GET /runs/fields has them all)");
                Err(Error::parameter("sort", text, expected))
            }
        }
    }
}

impl Sort {
    pub(super) fn key(self, run: &Summary) -> Key {
        match self.field.value(run) {
            Value::None => Key::None,
            Value::Number(number) => Key::Number(number),
            Value::Time(time) => Key::Number(time as f64),
            Value::Flag(flag) => Key::Number(flag.into()),
            Value::Text(text) => Key::text(&text),
            Value::Tags(tags) => Key::text(&tags.join(" ")),
        }
    }
}

/// Which of two comes first: by key, what isn't known last in either direction; of equals the newer.
pub(super) fn order(descending: bool, (a, a_id): (&Key, RunId), (b, b_id): (&Key, RunId)) -> Ordering {
    let keys = match (a, b) {
        (Key::None, Key::None) => Ordering::Equal,
        (Key::None, _) => return Ordering::Greater,
        (_, Key::None) => return Ordering::Less,
        (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
        (Key::Text(a), Key::Text(b)) => a.cmp(b),
        (Key::Number(_), Key::Text(_)) => Ordering::Less,
        (Key::Text(_), Key::Number(_)) => Ordering::Greater,
    };
    let keys = if descending { keys.reverse() } else { keys };
    keys.then(b_id.cmp(&a_id))
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.field.name)
    }
}
