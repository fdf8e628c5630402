//! `centerscope bench runs`: how the server does with many runs in its folder.
//!
//! `--make` writes runs that are made up, and say so in their names: logs as the trainer would write them, with invented
//! numbers. Without it, a server opens the folder and is asked over HTTP, one request after the other, as a page does.

use crate::config::Config;
use crate::run_files;
use crate::runs::now_ms;
use crate::serve::Server;
use crate::state::{LogLine, RunState};
use crate::store::{LOG, RunId, SUMMARY};
use anyhow::{Context, anyhow, ensure};
use clap::{Arg, ArgMatches, Command, value_parser};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use trainer::event::{CLASSES, DataInfo, Edit, EpochReport, Geometry, RunEvent, Start};
use trainer::measure::METRICS;
use trainer::spec::{Profile, RunSpec, Variant};

/// Requests of each kind.
const REQUESTS: usize = 300;

/// What is asked for: what it is, the address, and whether a page is wanted.
const ASKED: [(&str, &str, bool); 12] = [
    ("list, newest first", "/runs", false),
    ("list, best first", "/runs?sort=-accuracy", false),
    ("list, filtered", "/runs?query=variant+%3D+v1.1+and+accuracy+%3E+0.95+and+tag+%3D+paper&sort=train_loss", false),
    ("list, text search", "/runs?query=deep+42", false),
    ("facets", "/runs/facets", false),
    ("page of all runs", "/runs", true),
    ("home page", "/", true),
    ("sweeps", "/sweeps", false),
    ("groups of all runs", "/groups?query=", false),
    ("page of groups by tag", "/groups?query=status+%3D+FINISHED&by=tags&metric=train_loss", true),
    ("shipped claims", "/claims", false),
    ("claim of one's own", "/claims?field=lambda&a=0.1&b=1&metric=test_loss&at=best", false),
];

pub(super) fn command() -> Command {
    Command::new("runs")
        .about("Ask a server with many runs in its folder, or make up such a folder")
        .arg(
            Arg::new("dir")
                .long("dir")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Folder of the runs; nothing but made-up runs belongs there"),
        )
        .arg(
            Arg::new("make")
                .long("make")
                .value_name("COUNT")
                .value_parser(value_parser!(u32).range(1..=1_000_000))
                .help("Make up so many runs, and ask nothing"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let dir = matches.get_one::<PathBuf>("dir").context("--dir is missing")?;
    match matches.get_one::<u32>("make") {
        Some(&count) => make(dir, count)?,
        None => ask(dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Numbers that look random and are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn make(dir: &Path, count: u32) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let empty = fs::read_dir(dir)?.next().is_none();
    ensure!(empty, "{} is not empty: made-up runs don't belong among real ones", dir.display());
    let mut dice = Dice(1);
    let now = now_ms();
    for n in 0..count {
        // One every ten minutes, the last one now.
        let created = now - u64::from(count - n) * 600_000;
        let id = format!(
            "{:08x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
            created >> 16,
            created & 0xffff,
            dice.below(1 << 12),
            dice.below(1 << 12),
            dice.below(1 << 48)
        );
        let id = id.parse::<RunId>()?;
        let lines = log(&mut dice, n, created);
        let texts = lines.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        let state = RunState::replay(id, texts.iter().map(String::as_str))?;
        // Not flushed to the disk one by one: after a power cut they are made anew.
        let folder = dir.join(id.to_string());
        fs::create_dir(&folder)?;
        let log = texts.join("\n") + "\n";
        fs::write(folder.join(SUMMARY), run_files::run_json(&state, log.len() as u64)?)?;
        fs::write(folder.join(LOG), log)?;
    }
    println!("{count} made-up runs are in {}", dir.display());
    Ok(())
}

fn log(dice: &mut Dice, n: u32, created: u64) -> Vec<LogLine> {
    let variant = Variant::ALL[dice.below(3) as usize];
    let (network, distance) = variant.parts();
    let epochs = 4 + dice.below(5) as u32;
    let spec = RunSpec {
        seed: dice.below(100),
        epochs,
        lr: [0.001, 0.003, 0.01, 0.03][dice.below(4) as usize],
        lambda: [0.1, 1.0, 10.0][dice.below(3) as usize],
        ..RunSpec::preset(Profile::Quick, network, distance)
    };
    let (set, name) = if dice.below(5) == 0 { ("generated", "generated digits") } else { ("mnist", "MNIST") };
    let data = DataInfo {
        set: set.into(),
        name: name.into(),
        train_images: 60_000,
        test_images: 10_000,
        digest: "made up".into(),
    };
    let device = "made up".to_string();
    let start = Start {
        data,
        train_images: 12_000,
        steps_per_epoch: 188,
        parameters: 100_000,
        device,
        precision: None,
        device_memory: None,
        version: "0".into(),
        threads: None,
        host: None,
        commit: None,
    };
    let name = format!("made up {n} · {} seed {}", spec.label(), spec.seed);
    // Every second ten is a sweep.
    let sweep = (n / 10).is_multiple_of(2).then(|| format!("00000000-0000-7000-8000-{:012x}", n / 10));
    let mut events = vec![scheduled(name, sweep, spec), RunEvent::Started(start)];
    let speed = 500.0 + 4000.0 * dice.share();
    let (mut loss, mut accuracy) = (2.5 + dice.share(), 0.3 + 0.5 * dice.share());
    let done = if dice.below(8) == 0 { 1 + dice.below(epochs.into()) as u32 } else { epochs };
    for epoch in 1..=done {
        loss *= 0.45 + 0.3 * dice.share();
        accuracy += (0.995 - accuracy) * (0.3 + 0.5 * dice.share());
        let metrics = METRICS.iter().map(|m| {
            let value = match m.name {
                "test_accuracy" | "train_accuracy" => accuracy,
                "images_per_s" => speed * (0.95 + 0.1 * dice.share()),
                "epoch_seconds" => 12_000.0 / speed,
                _ => loss * (0.9 + 0.2 * dice.share()),
            };
            (m.name.to_string(), value)
        });
        let zeros = [[0.0; 2]; CLASSES];
        let geometry = Geometry { centers: zeros, means: zeros, weight: zeros, bias: [0.0; CLASSES] };
        let metrics = metrics.collect();
        events.push(RunEvent::Epoch(Box::new(report(epoch, metrics, geometry))));
    }
    events.push(match (done < epochs, dice.below(3)) {
        (false, _) => RunEvent::Finished,
        (true, 0) => RunEvent::Failed { reason: "made up: the loss is not finite".into() },
        (true, 1) => RunEvent::Killed { reason: "made up: stopped by hand".into() },
        (true, _) => RunEvent::Interrupted { reason: "made up: the program ended".into() },
    });
    let tags = ["paper", "baseline", "ablation", "draft", "seed study"].iter().filter(|_| dice.below(6) == 0);
    let tags = tags.map(ToString::to_string).collect::<Vec<_>>();
    if !tags.is_empty() {
        events.push(RunEvent::Edited(Edit { tags: Some(tags), ..Edit::default() }));
    }
    let step = (1000.0 * 12_000.0 / speed) as u64;
    let lines =
        events.into_iter().zip(0..).map(|(event, n)| LogLine { seq: n + 1, time_ms: created + n * step, event });
    lines.collect()
}

fn scheduled(name: String, sweep: Option<String>, spec: RunSpec) -> RunEvent {
    RunEvent::Scheduled { name, comparison: None, sweep, spec, fork: None }
}

fn report(epoch: u32, metrics: std::collections::BTreeMap<String, f64>, geometry: Geometry) -> EpochReport {
    EpochReport {
        epoch,
        metrics,
        confusion: Default::default(),
        geometry,
        artifacts: Vec::new(),
        sha256: Default::default(),
    }
}

fn ask(dir: &Path) -> anyhow::Result<()> {
    let config = Config { port: 0, runs_dir: dir.into(), ..Config::for_testing(dir) };
    let runtime = Runtime::new().context("can't start the async runtime")?;
    let begun = Instant::now();
    let server = runtime.block_on(Server::bind(config))?;
    let start = begun.elapsed();
    let (address, count) = (server.address, server.app.registry.newest_first().len());
    println!("{count} runs opened in {:.2} s; {}", start.as_secs_f64(), memory());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = thread::spawn(move || {
        runtime.block_on(server.run(async { drop(stopped.await) }));
        runtime.shutdown_timeout(Duration::from_millis(100));
    });
    println!("{:<22} {:>9} {:>9} {:>9} {:>11}", "milliseconds", "median", "p99", "worst", "bytes");
    for (what, target, page) in ASKED {
        let accept = if page { "text/html" } else { "application/json" };
        let mut times = Vec::with_capacity(REQUESTS);
        let mut size = 0;
        for _ in 0..REQUESTS {
            let (time, bytes) = request(address, target, accept)?;
            times.push(time);
            size = bytes;
        }
        times.sort_unstable();
        let at = |share: f64| times[((REQUESTS - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("{what:<22} {:>9.2} {:>9.2} {:>9.2} {size:>11}", at(0.5), at(0.99), at(1.0));
    }
    println!("afterwards: {}", memory());
    drop(stop);
    serving.join().map_err(|_| anyhow!("the server broke down"))
}

/// Asks once, from opening the connection to the answer's last byte.
fn request(address: SocketAddr, target: &str, accept: &str) -> anyhow::Result<(Duration, usize)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    // HTTP/1.0, so that the answer ends where the connection does.
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let time = begun.elapsed();
    ensure!(answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200"), "{target} was refused");
    Ok((time, answer.len()))
}

/// What the system says of this process's memory.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or("memory unknown on this system".into(), |kib| format!("{:.0} MB in memory", kib as f64 * 1024.0 / 1e6))
}
