//! `centerscope bench watch`: many watchers of a server in which runs train, on this machine alone.
//!
//! A server of its own, in a process of its own and a folder of its own, trains a few endless runs. Its speed and memory are
//! measured without watchers, with them, and without them again, so that a machine that changes meanwhile shows; while
//! they watch, each event's way is timed from the moment that stands in it to the moment a watcher has read it whole.

use super::watched::{Measured, Server, from_now};
use crate::runs::now_ms;
use anyhow::{Context, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde::Serialize;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// How long anything but the measurements may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn command() -> Command {
    let number = |name: &'static str, usual: &'static str, most: i64, help: &'static str| {
        Arg::new(name).long(name).default_value(usual).value_parser(value_parser!(u16).range(0..=most)).help(help)
    };
    Command::new("watch")
        .about("Time how events reach many watchers while runs train, on this machine alone")
        .arg(number("watchers", "1000", 5000, "Live streams that read"))
        .arg(number("stalled", "0", 5000, "Live streams that stop reading at once"))
        .arg(number(
            "visits",
            "0",
            20_000,
            "Live streams opened and left again, evenly over the measurement, each from where its runs stand",
        ))
        .arg(number("runs", "3", 6, "Runs that train meanwhile"))
        .arg(number("seconds", "20", 120, "Length of each of the three measurements"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The figures as JSON, on the last line"))
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Figures {
    watchers: u16,
    stalled: u16,
    visits: u16,
    runs: u16,
    seconds: u16,
    /// Steps a second of all runs: before, with watchers, after.
    steps_per_s: [f64; 3],
    /// Memory of the server: before, with watchers, after.
    resident_mib: [f64; 3],
    /// Files and connections of the server: before, with watchers, after.
    open_handles: [f64; 3],
    /// Streams that the server counted: before, with watchers, after.
    streams: [f64; 3],
    /// How long `GET /healthz` takes, 99th percentile: before, with watchers, after.
    health_p99_ms: [f64; 3],
    /// Processors that the server took for all but training: before, with watchers, after.
    serving: [f64; 3],
    /// Processors that the watchers took themselves, on the same machine: before, with watchers, after.
    reading: [f64; 3],
    epoch_events: Delivery,
    other_events: Delivery,
    /// Events that came twice, out of order, or not at all.
    out_of_order: u64,
}

/// How long events took, over all watchers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Delivery {
    count: usize,
    median_ms: f64,
    pub(super) p99_ms: f64,
    most_ms: f64,
}

impl Delivery {
    pub(super) fn of(mut times_ms: Vec<f64>) -> Delivery {
        times_ms.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| times_ms.get((times_ms.len() as f64 * share) as usize).or(times_ms.last()).copied();
        let at = |share| at(share).unwrap_or_default();
        Delivery { count: times_ms.len(), median_ms: at(0.5), p99_ms: at(0.99), most_ms: at(1.0) }
    }
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<()> {
    let number = |name: &str| matches.get_one::<u16>(name).copied().unwrap_or_default();
    let (watchers, stalled, visits, runs) = (number("watchers"), number("stalled"), number("visits"), number("runs"));
    let seconds = number("seconds");
    ensure!(runs > 0 && seconds > 0, "nothing is measured without runs and time");
    crate::limits::raise_handles();
    let server = Server::start(watchers + stalled + 16, runs)?;
    let target = server.start_runs(runs)?;
    let runtime = tokio::runtime::Runtime::new().context("can't start the async runtime")?;

    let length = Duration::from_secs(seconds.into());
    let alone = server.measure(length, || ())?;
    let crowd = Arc::new(Crowd::default());
    let reading = runtime.block_on(crowd.gather(server.address, &target, watchers))?;
    let asleep = (0..stalled).map(|_| open(server.address, &target)).collect::<anyhow::Result<Vec<_>>>()?;
    crowd.since_ms.store(now_ms(), Ordering::Relaxed);
    let visiting = Arc::new(AtomicUsize::new(visits.into()));
    let watched = server.measure(length, || {
        let (left, address, target) = (visiting.clone(), server.address, target.clone());
        std::thread::spawn(move || {
            let begun = Instant::now();
            let mut asked = None;
            let mut come = String::new();
            for visit in 1..=u32::from(visits) {
                let due = begun + length * visit / u32::from(visits);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                // As pages do, which have what was before: from where the runs stood a moment ago.
                if asked.is_none_or(|asked: Instant| asked.elapsed() > Duration::from_secs(1)) {
                    asked = Some(Instant::now());
                    let Ok(target) = from_now(address, &target) else { break };
                    come = target;
                }
                if left.load(Ordering::Relaxed) == 0 || open(address, &come).is_err() {
                    break;
                }
                left.fetch_sub(1, Ordering::Relaxed);
            }
        });
    })?;
    let unvisited = visiting.swap(0, Ordering::Relaxed);
    runtime.shutdown_background();
    drop(asleep);
    server.wait_until_alone()?;
    let again = server.measure(length, || ())?;
    drop(server);

    let (epoch, other) = crowd.times();
    let three = |figure: fn(&Measured) -> f64| [&alone, &watched, &again].map(figure);
    let figures = Figures {
        watchers,
        stalled,
        visits: visits - unvisited as u16,
        runs,
        seconds,
        steps_per_s: three(|m| m.steps_per_s),
        resident_mib: three(|m| m.resident_mib),
        open_handles: three(|m| m.open_handles),
        streams: three(|m| m.streams),
        health_p99_ms: three(|m| m.health_p99_ms),
        serving: three(|m| m.serving),
        reading: three(|m| m.reading),
        epoch_events: Delivery::of(epoch),
        other_events: Delivery::of(other),
        out_of_order: crowd.out_of_order.load(Ordering::Relaxed),
    };
    drop(reading);
    show(&figures);
    if matches.get_flag("json") {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(())
}

fn show(figures: &Figures) {
    let Figures { watchers, stalled, visits, runs, seconds, .. } = figures;
    println!("{watchers} watchers, {stalled} that don't read, {visits} visits; {runs} runs train; 3 × {seconds} s");
    let [before, with, after] = figures.steps_per_s;
    let share = 100.0 * with / ((before + after) / 2.0);
    println!("training: {before:.1} steps/s before, {with:.1} with watchers ({share:.1} %), {after:.1} after");
    for (what, [before, with, after]) in [
        ("memory of the server, MiB", figures.resident_mib),
        ("its open files and connections", figures.open_handles),
        ("its live streams", figures.streams),
    ] {
        println!("{what}: {before:.0} before, {with:.0} with watchers, {after:.0} after");
    }
    for (what, [before, with, after]) in
        [("the server, training left out", figures.serving), ("this program", figures.reading)]
    {
        println!("processors taken by {what}: {before:.3} before, {with:.3} with watchers, {after:.3} after");
    }
    let [before, with, after] = figures.health_p99_ms;
    println!("GET /healthz, p99, ms: {before:.1} before, {with:.1} with watchers, {after:.1} after");
    for (what, delivery) in [("epoch events", &figures.epoch_events), ("other events", &figures.other_events)] {
        let Delivery { count, median_ms, p99_ms, most_ms } = delivery;
        println!("{what}: {count} delivered, median {median_ms:.1} ms, p99 {p99_ms:.1} ms, at most {most_ms:.1} ms");
    }
    println!("out of order, twice or missing: {}", figures.out_of_order);
}

/// The readers, together.
#[derive(Default)]
struct Crowd {
    /// Events from before are not timed: they come from the log.
    since_ms: AtomicU64,
    open: AtomicUsize,
    out_of_order: AtomicU64,
    /// Times of epoch events and of others, in milliseconds. Locked for a look.
    times: std::sync::Mutex<(Vec<f64>, Vec<f64>)>,
}

impl Crowd {
    /// Opens the streams and waits until all are.
    async fn gather(self: &Arc<Self>, address: SocketAddr, target: &str, count: u16) -> anyhow::Result<JoinSet<()>> {
        self.since_ms.store(u64::MAX, Ordering::Relaxed);
        let mut readers = JoinSet::new();
        for _ in 0..count {
            let stream = tokio::net::TcpStream::connect(address).await.context("can't reach the server")?;
            let (crowd, request) = (self.clone(), request(target));
            readers.spawn(async move {
                // A reader that is cut off is missed in the count of streams.
                let _ = crowd.read(stream, request).await;
            });
        }
        let begun = Instant::now();
        while self.open.load(Ordering::Relaxed) < count.into() {
            ensure!(begun.elapsed() < PATIENCE, "the server did not answer all watchers within a minute");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(readers)
    }

    async fn read(&self, mut stream: tokio::net::TcpStream, request: String) -> std::io::Result<()> {
        stream.write_all(request.as_bytes()).await?;
        let mut stream = tokio::io::BufReader::with_capacity(16 * 1024, stream);
        let (mut line, mut position) = (Vec::new(), 0);
        loop {
            line.clear();
            // One line of a run's log is some kilobytes.
            if (&mut stream).take(1 << 20).read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            if line.starts_with(b"retry:") {
                self.open.fetch_add(1, Ordering::Relaxed);
            } else if let Some(id) = line.strip_prefix(b"id: ") {
                // Every event moves the position in one run by one.
                let sum = sum(id);
                self.out_of_order.fetch_add(u64::from(sum != position + 1), Ordering::Relaxed);
                position = sum;
            } else if line.starts_with(b"data: ") {
                self.time(&line);
            }
        }
    }

    fn time(&self, line: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0;
        let Some(sent) = number_after(line, b"\"time_ms\":") else { return };
        if sent < self.since_ms.load(Ordering::Relaxed) {
            return;
        }
        let mut times = self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let times = if find(line, b"\"type\":\"epoch\"").is_some() { &mut times.0 } else { &mut times.1 };
        times.push((now - sent as f64).max(0.0));
    }

    fn times(&self) -> (Vec<f64>, Vec<f64>) {
        std::mem::take(&mut *self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

fn sum(id: &[u8]) -> u64 {
    let numbers =
        id.split(|b| !b.is_ascii_digit()).filter_map(|number| std::str::from_utf8(number).ok()?.parse::<u64>().ok());
    numbers.sum()
}

fn find(line: &[u8], what: &[u8]) -> Option<usize> {
    // Both stand near the beginning.
    line[..line.len().min(200)].windows(what.len()).position(|window| window == what)
}

fn number_after(line: &[u8], name: &[u8]) -> Option<u64> {
    let rest = &line[find(line, name)? + name.len()..];
    let end = rest.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n")
}

/// Opens a stream and reads its head.
fn open(address: SocketAddr, target: &str) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).context("can't reach the server")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request(target).as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    ensure!(head.ends_with(b"200"), "a stream was refused: {}", String::from_utf8_lossy(&head));
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_is_told_by_its_tail() {
        let delivery = Delivery::of((0..1000).rev().map(f64::from).collect());
        assert_eq!(
            (delivery.count, delivery.median_ms, delivery.p99_ms, delivery.most_ms),
            (1000, 500.0, 990.0, 999.0)
        );
        assert_eq!(Delivery::of(Vec::new()).p99_ms, 0.0);
    }

    #[test]
    fn a_line_of_the_stream_is_read_without_parsing_it() {
        let line = b"data: {\"run\":\"x\",\"seq\":7,\"time_ms\":1234,\"type\":\"epoch\"}\n";
        assert_eq!(number_after(line, b"\"time_ms\":"), Some(1234));
        assert!(find(line, b"\"type\":\"epoch\"").is_some());
        assert_eq!(sum(b"12.7.3\n"), 22);
    }
}
