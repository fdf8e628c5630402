//! The values that a query compares with: what they stand for, and how they are written.

use crate::fields::Value;
use crate::text;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    None,
    /// In lower case, and as it was written.
    Text(String, String),
    Number(f64),
    /// From the first moment to before the second.
    Time(u64, u64),
    Flag(bool),
}

impl Literal {
    pub(super) fn equals(&self, value: &Value) -> bool {
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

    pub(super) fn is(&self, word: &str) -> bool {
        match self {
            Literal::Text(lower, _) => same(word, lower),
            other => word == other.word(),
        }
    }

    pub(super) fn word(&self) -> String {
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

pub(super) fn contains(text: &str, lower: &str) -> bool {
    text.to_lowercase().contains(lower)
}

/// The span of time that a text means, in milliseconds since 1970-01-01 UTC.
pub(super) fn moment(text: &str, now_ms: u64) -> Option<(u64, u64)> {
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
