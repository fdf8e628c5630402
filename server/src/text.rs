//! Numbers and times as people read them.

use serde_json::Value;
use trainer::measure::Metric;

/// Stands where nothing is known yet.
const DASH: &str = "–";

/// The text, or a dash.
pub(crate) fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| DASH.into())
}

/// A share of 1 as `97.3 %`.
pub(crate) fn percent(share: Option<f64>) -> String {
    or_dash(share.map(|share| format!("{:.1} %", share * 100.0)))
}

/// A number with about four significant digits and a true minus, as static/js/format.js writes it.
pub(crate) fn number(number: Option<f64>) -> String {
    let worded = |n: f64| match n.abs() {
        size if !size.is_finite() => or_dash(None),
        0.0 => "0".into(),
        size if size >= 9999.5 => format!("{}{}", if n < 0.0 { "-" } else { "" }, thousands(size.round() as u64)),
        size if size >= 999.5 => format!("{n:.0}"),
        size if size >= 100.0 => format!("{n:.1}"),
        size if size >= 10.0 => format!("{n:.2}"),
        size if size >= 1.0 => format!("{n:.3}"),
        size if size >= 0.001 => format!("{n:.4}"),
        _ => format!("{n:.2e}"),
    };
    or_dash(number.map(|n| worded(n).replace('-', "−")))
}

/// What a share is asked for as.
pub(crate) const SHARE: &str = "a share from 0 to 1, like 0.98 or 98%";

/// Whether a field or a metric of that name is a share of 1; they are read as percent.
pub(crate) fn is_share(name: &str) -> bool {
    name.ends_with("accuracy")
}

/// A data set by its name and the first digits of its digest, which tell two of one name apart: `MNIST (3fa9c1d2)`.
pub(crate) fn data(name: Option<&str>, digest: Option<&str>) -> String {
    let digest = digest.and_then(|digest| digest.get(..8)).map(|short| format!(" ({short})"));
    format!("{}{}", name.unwrap_or("data unknown"), digest.unwrap_or_default())
}

/// The address of a list's page that begins where the last one ended.
pub(crate) fn next_page(path: &str, cursor: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("cursor", cursor).finish();
    format!("{path}?{query}")
}

/// A number as people write it: `0.98`, `98%`, `98 %`.
pub(crate) fn parsed(text: &str) -> Option<f64> {
    // Read as a power of ten, since a division would round once more: 98.12% is 0.9812.
    let plain = text.trim().strip_suffix('%').map(|digits| format!("{}e-2", digits.trim()));
    plain.as_deref().unwrap_or(text.trim()).parse::<f64>().ok().filter(|n| n.is_finite())
}

/// A metric's value the way its kind is read: accuracies as `97.31 %`; static/js/format.js writes the same.
pub(crate) fn metric(metric: &Metric, value: f64) -> String {
    match metric.name {
        name if is_share(name) => format!("{:.2} %", value * 100.0),
        "images_per_s" => thousands(value.max(0.0).round() as u64),
        "epoch_seconds" | "angular_margin" => format!("{value:.1}").replace('-', "−"),
        _ => number(Some(value)),
    }
}

/// The same without needless digits: `98 %`.
pub(crate) fn short_metric(metric: &Metric, value: f64) -> String {
    match is_share(metric.name) {
        true => format!("{} %", (value * 1e8).round() / 1e6),
        false => value.to_string(),
    }
}

/// A number with its sign, a true minus, and at most so many decimals: `+2.5`, `−1`.
pub(crate) fn signed(n: f64, decimals: usize) -> String {
    let size = format!("{:.decimals$}", n.abs());
    let size = if size.contains('.') { size.trim_end_matches('0').trim_end_matches('.') } else { &size };
    match size {
        "0" => "0".into(),
        size if n < 0.0 => format!("−{size}"),
        size => format!("+{size}"),
    }
}

/// A difference of a metric: accuracies in percentage points.
pub(crate) fn signed_metric(metric: &Metric, value: f64) -> String {
    if is_share(metric.name) {
        return format!("{} pp", signed(value * 100.0, 2));
    }
    let size = number(Some(value.abs()));
    match value {
        0.0 => size,
        value if value < 0.0 => format!("−{size}"),
        _ => format!("+{size}"),
    }
}

/// A length of time without false precision: `40 s`, `9 min`, `2.5 h`.
pub(crate) fn roughly(seconds: f64) -> String {
    match seconds {
        ..10.0 => "10 s or less".into(),
        10.0..55.0 => format!("{:.0} s", (seconds / 5.0).round() * 5.0),
        55.0..5400.0 => format!("{:.0} min", (seconds / 60.0).max(1.0)),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// A training speed as `1 234 images/s`.
pub(crate) fn speed(images_per_s: Option<f64>) -> String {
    or_dash(images_per_s.map(|n| format!("{} images/s", thousands(n.max(0.0).round() as u64))))
}

/// `1234567` as `1 234 567`, with spaces that do not break.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

/// A file's size as `40.1 kB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A JSON value without the quotes around text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // 1.0 and 1 are the same choice to whoever fills in a form.
        Value::Number(n) if n.is_f64() => n.as_f64().map(|n| n.to_string()).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// Milliseconds since 1970 as `2026-01-31T12:00:00Z`.
pub(crate) fn iso(time_ms: u64) -> String {
    let (date, [h, m, s]) = split(time_ms);
    format!("{date}T{h:02}:{m:02}:{s:02}Z")
}

/// Milliseconds since 1970 as `2026-01-31 12:00 UTC`.
pub(crate) fn date(time_ms: u64) -> String {
    let (date, [h, m, _]) = split(time_ms);
    format!("{date} {h:02}:{m:02} UTC")
}

/// Milliseconds since 1970 as `2026-01-31`, UTC.
pub(crate) fn day(time_ms: u64) -> String {
    split(time_ms).0
}

/// Howard Hinnant's days-to-civil: <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
fn split(time_ms: u64) -> (String, [u64; 3]) {
    let seconds = time_ms / 1000;
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (format!("{year:04}-{month:02}-{day:02}"), [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60])
}

/// The first moment of a day `2026-01-31`, in milliseconds since 1970; the inverse of [`iso`], from the same source.
pub(crate) fn day_start(date: &str) -> Option<u64> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1970..10_000).contains(&year) || !(1..13).contains(&month) || !(1..32).contains(&day) {
        return None;
    }
    let shifted_year = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let start = (era * 146_097 + day_of_era - 719_468) * 86_400_000;
    // The 30th of February is none.
    (split(start).0 == format!("{year:04}-{month:02}-{day:02}")).then_some(start)
}

/// Seconds as a length of time: 8 s, 1 min 20 s, 2 h 5 min.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match (s, s / 60 % 60) {
        (0..60, _) => format!("{s} s"),
        (60..3600, minutes) => format!("{minutes} min {} s", s % 60),
        (_, minutes) => format!("{} h {minutes} min", s / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_calendars() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(iso(1_798_761_599_999), "2026-12-31T23:59:59Z");
        assert_eq!(date(1_582_934_400_000), "2020-02-29 00:00 UTC");
        for date in ["1970-01-01", "1999-12-31", "2000-02-29", "2024-12-31", "2026-03-01", "9999-12-31"] {
            assert_eq!(iso(day_start(date).unwrap()), format!("{date}T00:00:00Z"));
        }
        for bad in ["", "2026", "2026-02-30", "2026-13-01", "1969-12-31", "2026-1-x", "2025-02-29"] {
            assert_eq!(day_start(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(percent(Some(0.9731)), "97.3 %");
        assert_eq!(percent(None), "–");
        assert_eq!(thousands(1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(thousands(12), "12");
        assert_eq!(size(40_060), "40.1 kB");
        let numbers = [0.000_012_34, -0.4119, 2.302_14, 48.517, 431.26, 1234.4, -12_345.0, 0.0, f64::NAN];
        assert_eq!(
            numbers.map(|n| number(Some(n))),
            ["1.23e−5", "−0.4119", "2.302", "48.52", "431.3", "1234", "−12\u{a0}345", "0", "–"]
        );
        assert_eq!([2.5, -1.0, 0.001, -0.25].map(|n| signed(n, 1)), ["+2.5", "−1", "0", "−0.2"]);
        assert_eq!([3.0, 41.0, 58.0, 540.0, 9000.0].map(roughly), ["10 s or less", "40 s", "1 min", "9 min", "2.5 h"]);
    }
}
