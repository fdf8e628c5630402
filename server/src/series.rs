//! Long series in few points: for charts of a million steps on a thousand pixels.
//!
//! The signs of life of a run that is over stand in `progress.npy`, a table that is read a hundred times faster than the log
//! they come from.

use crate::state::TimedProgress;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use trainer::npy;

/// Points of a series at most, and where nothing is said.
pub const MOST_POINTS: usize = 10_000;
/// Points where nothing is said.
pub const USUAL_POINTS: usize = 1000;
/// The file's name.
pub const FILE: &str = "progress.npy";

/// Columns of the file after `time_ms`, `epoch`, `step` and `steps`.
const COLUMNS: [&str; 4] = ["loss", "cross_entropy", "center_loss", "images_per_s"];
/// Bytes of a row: one u64, three u32, four f64.
const ROW: usize = 8 + 3 * 4 + COLUMNS.len() * 8;

/// Some points of a series.
#[derive(Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Points {
    /// Where each lies, in epochs since the beginning.
    pub at: Vec<f64>,
    /// Its value.
    pub value: Vec<f64>,
}

/// What is sent of several series of one length.
#[derive(Debug, PartialEq, JsonSchema, Serialize)]
pub struct Thinned {
    /// Points there are.
    pub rows: usize,
    /// Some of them, by series.
    pub series: BTreeMap<String, Points>,
}

/// Indices of at most about `points` of `rows` rows: of each of equal stretches the least, the greatest and the last value.
/// So no spike is lost, and the newest value is always there.
fn pick(rows: usize, points: usize, value: impl Fn(usize) -> f64) -> Vec<usize> {
    if rows <= points {
        return (0..rows).collect();
    }
    let stretches = (points / 3).max(1);
    let mut picked = Vec::with_capacity(3 * stretches);
    for n in 0..stretches {
        let Range { start, end } = n * rows / stretches..(n + 1) * rows / stretches;
        let (mut least, mut greatest) = (start, start);
        let (mut low, mut high) = (value(start), value(start));
        for row in start + 1..end {
            let value = value(row);
            if value < low {
                (least, low) = (row, value);
            }
            if value > high {
                (greatest, high) = (row, value);
            }
        }
        let (first, second) = (least.min(greatest), least.max(greatest));
        picked.extend([first, second, end - 1]);
    }
    picked.dedup();
    picked
}

fn points(rows: usize, most: usize, at: impl Fn(usize) -> f64, value: impl Fn(usize) -> f64) -> Points {
    let picked = pick(rows, most, &value);
    Points { at: picked.iter().map(|&row| at(row)).collect(), value: picked.iter().map(|&row| value(row)).collect() }
}

/// At most about `most` points of each column of a run's signs of life.
pub fn of_progress(progress: &[TimedProgress], most: usize) -> Thinned {
    let rows = progress.len();
    let at = |row: usize| {
        let p = &progress[row].progress;
        position(p.epoch, p.step, p.steps)
    };
    let column = |n: usize| points(rows, most, at, |row| values(&progress[row])[n]);
    let series = COLUMNS.iter().enumerate().map(|(n, name)| ((*name).to_owned(), column(n)));
    Thinned { rows, series: series.collect() }
}

/// At most about `most` points of each of several series, given by the epoch of each row.
pub fn of_epochs(rows: &[(u32, &BTreeMap<String, f64>)], most: usize) -> Thinned {
    let mut series = BTreeMap::new();
    for name in rows.iter().flat_map(|(_, metrics)| metrics.keys()) {
        if !series.contains_key(name) {
            let known = rows.iter().filter_map(|(epoch, metrics)| Some((*epoch, *metrics.get(name)?)));
            let known = known.collect::<Vec<_>>();
            let thinned = points(known.len(), most, |row| known[row].0.into(), |row| known[row].1);
            series.insert(name.clone(), thinned);
        }
    }
    Thinned { rows: rows.len(), series }
}

fn position(epoch: u32, step: usize, steps: usize) -> f64 {
    f64::from(epoch.saturating_sub(1)) + step as f64 / steps.max(1) as f64
}

fn values(line: &TimedProgress) -> [f64; 4] {
    let loss = &line.progress.loss;
    [loss.total, loss.cross_entropy, loss.center_loss, line.progress.images_per_s]
}

/// `progress.npy`: one row a sign of life, with named columns.
pub fn table(progress: &[TimedProgress]) -> Vec<u8> {
    let numbers = [("time_ms", "<u8"), ("epoch", "<u4"), ("step", "<u4"), ("steps", "<u4")];
    let columns = numbers.into_iter().chain(COLUMNS.map(|name| (name, "<f8")));
    let columns = columns.map(|(name, kind)| format!("('{name}', '{kind}')")).collect::<Vec<_>>().join(", ");
    let mut bytes = npy::header(&format!("[{columns}]"), &format!("({},)", progress.len()));
    bytes.reserve_exact(ROW * progress.len());
    for line in progress {
        let p = &line.progress;
        bytes.extend(line.time_ms.to_le_bytes());
        for number in [p.epoch, p.step as u32, p.steps as u32] {
            bytes.extend(number.to_le_bytes());
        }
        values(line).iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    }
    bytes
}

/// The same as [`of_progress`], from the file; `None` where it isn't one that [`table`] wrote.
pub fn of_table(file: &[u8], most: usize) -> Option<Thinned> {
    let (header, body) = npy::parts(file)?;
    let ours = header.contains("('images_per_s', '<f8')], 'fortran_order': False");
    let (table, odd) = body.as_chunks::<ROW>();
    if !ours || !odd.is_empty() {
        return None;
    }
    let word = |row: usize, at: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&table[row][at..at + 4]);
        u32::from_le_bytes(word)
    };
    let at = |row: usize| position(word(row, 8), word(row, 12) as usize, word(row, 16) as usize);
    let value = |row: usize, column: usize| {
        let mut value = [0; 8];
        value.copy_from_slice(&table[row][20 + 8 * column..28 + 8 * column]);
        f64::from_le_bytes(value)
    };
    let column = |n: usize| points(table.len(), most, at, |row| value(row, n));
    let series = COLUMNS.iter().enumerate().map(|(n, name)| ((*name).to_owned(), column(n)));
    Some(Thinned { rows: table.len(), series: series.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use trainer::event::{LossParts, Progress};

    fn progress(rows: usize) -> Vec<TimedProgress> {
        let line = |n: usize| {
            // A saw with two spikes that a mean would lose.
            let total = match n {
                777 => 1e6,
                778 => -1e6,
                n => (n % 100) as f64,
            };
            let loss = LossParts { total, cross_entropy: n as f64, center_loss: 0.0 };
            let progress = Progress { epoch: 1 + n as u32 / 500, step: n % 500, steps: 500, loss, images_per_s: 9.5 };
            TimedProgress { time_ms: n as u64, progress }
        };
        (0..rows).map(line).collect()
    }

    #[test]
    fn few_points_keep_the_ends_the_spikes_and_the_last() {
        let all = progress(100_003);
        let thinned = of_progress(&all, 300);
        let loss = &thinned.series["loss"];
        assert_eq!(thinned.rows, 100_003);
        assert!(loss.at.len() <= 300 && loss.at.len() == loss.value.len());
        assert!(loss.value.contains(&1e6) && loss.value.contains(&-1e6));
        assert!(loss.at.is_sorted());
        assert_eq!(thinned.series["cross_entropy"].value.last(), Some(&100_002.0));
        assert_eq!(thinned.series["cross_entropy"].value.first(), Some(&0.0));
        assert_eq!(thinned.series["cross_entropy"].at.last(), Some(&(200.0 + 2.0 / 500.0)));
        assert_eq!(
            of_progress(&all[..7], 7).series["loss"].value,
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "few stay as they are"
        );
        assert_eq!(of_progress(&[], 1).series["loss"], Points::default());
    }

    #[test]
    fn the_file_gives_the_same_points_as_memory() {
        let all = progress(5000);
        let file = table(&all);
        assert_eq!(of_table(&file, 600), Some(of_progress(&all, 600)));
        assert_eq!(of_table(&table(&[]), 600), Some(of_progress(&[], 600)));
        assert_eq!(of_table(&file[..file.len() - 1], 600), None, "cut off");
        assert_eq!(of_table(b"\x93NUMPY\x01\x00\xff\xff", 600), None);
    }

    #[test]
    fn a_metric_that_comes_late_has_its_own_points() {
        let with = |pairs: &[(&str, f64)]| pairs.iter().map(|(name, v)| ((*name).to_owned(), *v)).collect();
        let (first, second): (BTreeMap<String, f64>, BTreeMap<_, _>) =
            (with(&[("a", 1.0)]), with(&[("a", 2.0), ("b", 3.0)]));
        let thinned = of_epochs(&[(1, &first), (2, &second)], 10);
        assert_eq!(thinned.series["a"], Points { at: vec![1.0, 2.0], value: vec![1.0, 2.0] });
        assert_eq!(thinned.series["b"], Points { at: vec![2.0], value: vec![3.0] });
    }
}
