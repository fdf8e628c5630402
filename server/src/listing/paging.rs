//! Which part of a list an answer has: so many entries from where the last answer ended.

use super::order::{Cursor, Key, order};
use crate::error::Error;
use crate::parameters::{self, Pairs};
use crate::store::RunId;
use std::cmp::Ordering;
use std::ops::RangeInclusive;

/// Entries of one answer, unless told otherwise.
const USUAL: usize = 100;
/// Entries of one answer at most.
const MOST: usize = 1000;

/// The part of a list that is wanted.
#[derive(Debug)]
pub struct Paging {
    cursor: Option<Cursor>,
    offset: usize,
    limit: usize,
}

/// Something that is listed, by what it is sorted by.
pub(super) type Keyed<T> = (Key, RunId, T);

impl Paging {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Names the parameter, and what is expected.
    pub fn new(cursor: Option<&str>, offset: Option<&str>, limit: Option<&str>) -> Result<Paging, Error> {
        let count = |field, text: Option<&str>, usual: usize, range: RangeInclusive<usize>| match text {
            None => Ok(usual),
            Some(text) => text.parse().ok().filter(|n| range.contains(n)).ok_or_else(|| {
                Error::parameter(field, text, format!("a whole number from {} to {}", range.start(), range.end()))
            }),
        };
        let cursor = cursor.filter(|text| !text.is_empty()).map(|text| {
            text.parse::<Cursor>().map_err(|()| Error::parameter("cursor", text, "the `next` of the answer before"))
        });
        Ok(Paging {
            cursor: cursor.transpose()?,
            offset: count("offset", offset, 0, 0..=10_000_000)?,
            limit: count("limit", limit, USUAL, 1..=MOST)?,
        })
    }

    /// Reads the `cursor` and the `limit` of an address that has no other parameters.
    ///
    /// # Errors
    /// Names the parameter, and what is expected.
    pub(crate) fn read(pairs: Pairs) -> Result<Paging, Error> {
        let [cursor, limit] = parameters::read(pairs, ["cursor", "limit"]);
        Paging::new(cursor.as_deref(), None, limit.as_deref())
    }

    /// The page of a list in that order, and the cursor of the next; `None` at the end.
    pub(super) fn cut<T>(&self, mut keyed: Vec<Keyed<T>>, descending: bool) -> (Vec<T>, Option<String>) {
        let in_order = |a: &Keyed<T>, b: &Keyed<T>| order(descending, (&a.0, a.1), (&b.0, b.1));
        if let Some(cursor) = &self.cursor {
            keyed.retain(|(key, id, _)| order(descending, (key, *id), (&cursor.key, cursor.id)) == Ordering::Greater);
        }
        // Only the page is sorted: what lies before and after it is only parted from it.
        if self.offset >= keyed.len() {
            keyed.clear();
        } else if self.offset > 0 {
            keyed.select_nth_unstable_by(self.offset, in_order);
            keyed.drain(..self.offset);
        }
        let more = keyed.len() > self.limit;
        if more {
            keyed.select_nth_unstable_by(self.limit, in_order);
            keyed.truncate(self.limit);
        }
        keyed.sort_unstable_by(in_order);
        let next = keyed.last().filter(|_| more).map(|(key, id, _)| Cursor { key: key.clone(), id: *id }.to_string());
        (keyed.into_iter().map(|(.., entry)| entry).collect(), next)
    }

    /// The page of entries by their time, the latest first; `at` gives an entry's time and the run that it goes by.
    pub(crate) fn latest<T>(&self, entries: Vec<T>, at: impl Fn(&T) -> (u64, RunId)) -> (Vec<T>, Option<String>) {
        let keyed = entries.into_iter().map(|entry| {
            let (time_ms, id) = at(&entry);
            (Key::Number(time_ms as f64), id, entry)
        });
        self.cut(keyed.collect(), true)
    }
}
