//! Whatever comes in from outside, bent out of shape: nothing panics, nothing leaves its folder, nothing grows without bound.
//!
//! Each input is one of a corpus (the hostile ones of [`crate::hostile`] and real ones) with random edits. A short form runs
//! with the tests; `PROPTEST_CASES=100000 cargo test -p server --test program fuzz` is a long one. What was once found is
//! kept in `tests/corpus/found.txt` and tried first.

use crate::hostile::{BODIES, NAMES, POSITIONS, RANGES};
use crate::support::{Site, finished, tiny};
use centerscope::pages::RunView;
use centerscope::request;
use centerscope::runs::Run;
use centerscope::state::RunState;
use centerscope::store::{ArtifactName, RunFolder, RunId};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Component, Path};
use trainer::checkpoint;
use trainer::data::{self, DataOptions, PIXELS};
use trainer::recogniser::Recogniser;
use trainer::spec::DatasetChoice;

/// The one checkpoint of a run that others tampered with.
const CHECKPOINT: &str = "checkpoints/epoch-0001.safetensors";

/// A change to an input.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Truncate(Index),
    /// A number where one may be read.
    Number(Index, &'static str),
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        let at = |index: &Index| index.index(len + 1);
        match self {
            Edit::Set(index, byte) => bytes.iter_mut().skip(at(index)).take(1).for_each(|b| *b = *byte),
            Edit::Insert(index, more) => drop(bytes.splice(at(index)..at(index), more.iter().copied())),
            Edit::Remove(index, count) => drop(bytes.drain(at(index)..len.min(at(index) + count))),
            Edit::Repeat(index, count, times) => {
                let piece = bytes[at(index)..len.min(at(index) + count)].repeat(*times);
                bytes.splice(at(index)..at(index), piece);
            }
            Edit::Truncate(index) => bytes.truncate(at(index)),
            Edit::Number(index, number) => {
                let start = bytes.iter().skip(at(index)).position(u8::is_ascii_digit).map_or(len, |n| at(index) + n);
                let end = bytes[start..].iter().position(|b| !b.is_ascii_digit()).map_or(len, |n| start + n);
                bytes.splice(start..end, number.bytes());
            }
        }
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    const NUMBERS: &[&str] =
        &["0", "-1", "1e999", "NaN", "4294967295", "4294967296", "18446744073709551615", "1e-320", "null", "0.1"];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, more)| Edit::Insert(at, more)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (any::<Index>(), 1..40_usize, 1..20_usize).prop_map(|(at, count, times)| Edit::Repeat(at, count, times)),
        any::<Index>().prop_map(Edit::Truncate),
        (any::<Index>(), prop::sample::select(NUMBERS)).prop_map(|(at, number)| Edit::Number(at, number)),
    ]
}

/// One of the corpus, edited.
fn bent(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(corpus), prop::collection::vec(edit(), 0..5)).prop_map(|(mut bytes, edits)| {
        edits.iter().for_each(|edit| edit.apply(&mut bytes));
        bytes
    })
}

fn texts(corpus: &[&str]) -> Vec<Vec<u8>> {
    corpus.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Tries `check` on many inputs: `quick` of them unless `PROPTEST_CASES` says how many.
fn try_all(quick: u32, corpus: Vec<Vec<u8>>, check: impl Fn(&[u8])) {
    let found = Box::new(FileFailurePersistence::Direct("../tests/corpus/found.txt"));
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(quick);
    let config = ProptestConfig { cases, failure_persistence: Some(found), ..ProptestConfig::default() };
    let tried = TestRunner::new(config).run(&bent(corpus), |bytes| {
        check(&bytes);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

#[test]
fn any_body_is_a_plan_or_an_error() {
    let mut corpus = BODIES.iter().map(|(_, body)| body.to_vec()).collect::<Vec<_>>();
    corpus.push(tiny(json!({"variants": ["v1.0", "v1.2"], "name": "a name", "seed": 7})).to_string().into());
    corpus.push(tiny(json!({"network": "deep", "distance": "root", "lr": 0.01, "lambda": 1.0})).to_string().into());
    try_all(4000, corpus, |body| {
        let Ok(fields) = request::from_json(body) else { return };
        let Ok(plan) = request::plan(fields) else { return };
        assert!((1..=6).contains(&plan.orders.len()));
        for order in plan.orders {
            let numbers =
                [order.spec.lr, order.spec.center_lr, order.spec.lambda, order.spec.width, order.spec.momentum];
            assert!(numbers.iter().all(|n| n.is_finite()), "{order:?}");
            let told = serde_json::to_string(&order.spec).unwrap();
            assert_eq!(serde_json::from_str::<trainer::spec::RunSpec>(&told).unwrap(), order.spec);
        }
    });
}

#[test]
fn any_log_is_a_run_or_an_error() {
    let done = finished();
    let log = fs::read(done.runs_dir.join(&done.ids[0]).join("events.jsonl")).unwrap();
    let start = log.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(3).map_or(log.len(), |(end, _)| end + 1);
    // A count so large that a row of them is no u32 any more.
    let text = String::from_utf8(log.clone()).unwrap();
    let (before, rest) = text.split_once("\"confusion\":[[").unwrap();
    let large = format!("{before}\"confusion\":[[{}{}", u32::MAX, &rest[rest.find(',').unwrap()..]);
    try_all(400, vec![log[..start].to_vec(), log.clone(), large.into_bytes()], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(state) = RunState::replay(RunId::fresh(), text.lines()) else { return };
        assert!(state.history.len() + state.progress.len() < text.lines().count());
        // Its page can be drawn, whatever it tells.
        drop(RunView::new(&state, &[], None, None, "localhost"));
    });
    // The folder itself, opened as at a start: a run that is over, or an error.
    try_all(40, vec![log], |bytes| {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("events.jsonl"), bytes).unwrap();
        if let Ok(run) = Run::open(RunId::fresh(), RunFolder::at(home.path().into())) {
            assert!(run.summary().status.is_over());
            // Once more: what the first start wrote can be read.
            assert!(Run::open(run.id, RunFolder::at(home.path().into())).is_ok());
        }
    });
}

#[test]
fn any_name_stays_in_its_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(home.path().join("run"));
    folder.create().unwrap();
    fs::write(home.path().join("secret.txt"), "secret").unwrap();
    let secret = home.path().join("secret.txt").display().to_string();
    let corpus = NAMES.iter().map(|name| name.replace('@', &secret).into_bytes()).collect();
    try_all(4000, corpus, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(name) = text.parse::<ArtifactName>() else { return };
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        assert!(Path::new(&name.to_string()).components().all(plain), "{name}");
        assert!(folder.get(&name).is_err(), "{name}");
        assert!(text.parse::<RunId>().is_err());
    });
}

#[test]
fn any_position_and_any_range_is_answered() {
    let done = finished();
    let events = format!("/runs/{}/events", done.ids[0]);
    let file = format!("/runs/{}/artifacts/metrics.csv", done.ids[0]);
    let size = done.site.get(&file).body.len();
    // What may stand in a header at all; the rest never gets as far as the program.
    let header =
        |bytes: &[u8]| bytes.iter().map(|&b| if b.is_ascii_graphic() { b as char } else { '_' }).collect::<String>();
    try_all(150, texts(&[POSITIONS, &["0", "7", "18446744073709551615"]].concat()), |bytes| {
        let reply = done.site.send("GET", &events, &[("Last-Event-ID", &header(bytes))], b"");
        assert!([200, 400].contains(&reply.status), "{}", reply.text());
    });
    try_all(150, texts(&[RANGES, &["bytes=0-3", "bytes=-7"]].concat()), |bytes| {
        let reply = done.site.send("GET", &file, &[("Range", &header(bytes))], b"");
        match reply.status {
            200 => assert_eq!(reply.body.len(), size),
            206 => assert!((1..=size).contains(&reply.body.len())),
            status => assert_eq!(status, 416),
        }
    });
}

#[test]
fn any_idx_file_is_images_or_an_error() {
    let idx = |item: &[u32], count: u32| {
        let header = [0x0801 + item.len() as u32, count].into_iter().chain(item.iter().copied());
        let body = std::iter::repeat_n(3_u8, (count * item.iter().product::<u32>()) as usize);
        header.flat_map(u32::to_be_bytes).chain(body).collect::<Vec<u8>>()
    };
    let home = tempfile::tempdir().unwrap();
    let files =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    let good = [idx(&[28, 28], 3), idx(&[], 3), idx(&[28, 28], 2), idx(&[], 2)];
    for (name, bytes) in files.iter().zip(&good) {
        fs::write(home.path().join(name), bytes).unwrap();
    }
    let options = DataOptions { data_dir: Some(home.path().into()), offline: true };
    let load = || data::load(DatasetChoice::Mnist, &options, &mut |_| {});
    assert_eq!(load().unwrap().train.len(), 3);
    for (index, name) in files.iter().enumerate() {
        let mut gzipped = GzEncoder::new(Vec::new(), Compression::fast());
        gzipped.write_all(&good[index]).unwrap();
        try_all(100, vec![good[index].clone(), gzipped.finish().unwrap()], |bytes| {
            fs::write(home.path().join(name), bytes).unwrap();
            if let Ok(set) = load() {
                assert!(set.train.labels().iter().chain(set.test.labels()).all(|&label| label < 10));
            }
        });
        fs::write(home.path().join(name), &good[index]).unwrap();
    }
}

/// A checkpoint with this head, whatever it says, before these numbers.
fn checkpoint_of(head: &[u8], numbers: &[u8]) -> Vec<u8> {
    [&(head.len() as u64).to_le_bytes(), head, numbers].concat()
}

/// The head of a checkpoint and its numbers.
fn parted(checkpoint: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let length = u64::from_le_bytes(checkpoint[..8].try_into().unwrap()) as usize;
    (checkpoint[8..8 + length].to_vec(), checkpoint[8 + length..].to_vec())
}

/// Checkpoints that nobody's training wrote, each with what is wrong with it.
fn hostile_checkpoints(real: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (head, numbers) = parted(real);
    let head = serde_json::from_slice::<Value>(&head).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut head = head.clone();
        change(&mut head);
        checkpoint_of(head.to_string().as_bytes(), &numbers)
    };
    let about = |change: &dyn Fn(&mut Value)| {
        changed(&|head| {
            let mut about =
                serde_json::from_str::<Value>(head["__metadata__"]["centerscope"].as_str().unwrap()).unwrap();
            change(&mut about);
            head["__metadata__"]["centerscope"] = json!(about.to_string());
        })
    };
    vec![
        ("nothing", Vec::new()),
        ("a head without end", [0xff; 64].to_vec()),
        ("a head longer than the file", [&1_000_000_u64.to_le_bytes(), &real[8..]].concat()),
        ("a head that is no JSON", checkpoint_of(&[b'{'; 100], &numbers)),
        ("a head nested without end", checkpoint_of(&[b'['; 100_000], &numbers)),
        ("cut off", real[..real.len() - 1].to_vec()),
        ("more than it tells of", [real, &[0; 4096]].concat()),
        ("a tensor of petabytes", changed(&|head| head["fc.weight"]["shape"] = json!([1_u64 << 25, 1_u64 << 25]))),
        ("a tensor larger than any number", changed(&|head| head["fc.weight"]["shape"] = json!([u64::MAX, u64::MAX]))),
        (
            "a tensor beyond the end",
            changed(&|head| head["fc.bias"]["data_offsets"] = json!([1_u64 << 40, 1_u64 << 50])),
        ),
        ("a tensor that ends before it begins", changed(&|head| head["fc.bias"]["data_offsets"] = json!([8, 0]))),
        ("two tensors in one place", changed(&|head| head["fc.bias"] = head["out.bias"].clone())),
        ("doubles", changed(&|head| head["fc.bias"]["dtype"] = json!("F64"))),
        ("no word on whose it is", changed(&|head| drop(head.as_object_mut().unwrap().remove("__metadata__")))),
        ("a larger network", about(&|about| about["spec"]["width"] = json!(2.0))),
        ("an impossible network", about(&|about| about["spec"]["width"] = json!(1e300))),
        ("another network", about(&|about| about["spec"]["network"] = json!("deep"))),
        ("a format of the future", about(&|about| about["format"] = json!("centerscope-checkpoint/9"))),
    ]
}

fn real_checkpoint() -> Vec<u8> {
    let done = finished();
    fs::read(done.runs_dir.join(&done.ids[2]).join("checkpoints/epoch-0001.safetensors")).unwrap()
}

#[test]
fn any_checkpoint_is_a_network_or_an_error() {
    let real = real_checkpoint();
    // What claims more than it holds would end the program here.
    let look = |bytes: &[u8]| {
        let Ok(network) = Recogniser::load(bytes) else { return };
        assert!(checkpoint::load(bytes).is_ok());
        let seen = network.look_at(&[7; PIXELS]).unwrap();
        assert!(seen.prediction < seen.probabilities.len());
    };
    let mut corpus = hostile_checkpoints(&real).into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    corpus.push(real.clone());
    try_all(150, corpus, look);
    // The head alone: few changes to a whole file would meet it.
    let (head, numbers) = parted(&real);
    try_all(300, vec![head], |head| look(&checkpoint_of(head, &numbers)));
}

/// The program itself, with a run whose checkpoint somebody else wrote: predictions and forks name the file, and the program
/// goes on.
#[test]
fn a_hostile_checkpoint_is_refused_by_its_name() {
    let done = finished();
    let real = real_checkpoint();
    let home = tempfile::tempdir().unwrap();
    // As an older version logged it: without digests, which would say at once that the file is another.
    let log = fs::read_to_string(done.runs_dir.join(&done.ids[2]).join("events.jsonl")).unwrap();
    let log = log.lines().map(|line| {
        let mut line = serde_json::from_str::<Value>(line).unwrap();
        if line["type"] == "epoch" {
            line["sha256"] = json!({});
            line["artifacts"] = if line["epoch"] == 1 { json!([CHECKPOINT]) } else { json!([]) };
        }
        format!("{line}\n")
    });
    let log = log.collect::<String>();
    let ids = [RunId::fresh(), RunId::fresh()];
    let files = ids.map(|id| {
        let folder = home.path().join(id.to_string());
        fs::create_dir_all(folder.join("checkpoints")).unwrap();
        fs::write(folder.join("events.jsonl"), &log).unwrap();
        folder.join(CHECKPOINT)
    });
    let site = Site::start(home.path());
    let predict = |id: RunId| {
        let target = format!("/runs/{id}/predict?epoch=1");
        site.send("POST", &target, &[("Content-Type", "application/octet-stream")], &[7; PIXELS])
    };
    for (what, bytes) in hostile_checkpoints(&real) {
        fs::write(&files[0], bytes).unwrap();
        let fork = site.post(&format!("/runs/{}/fork", ids[0]), &json!({"epoch": 1}));
        for (reply, status) in [(predict(ids[0]), 500), (fork, 422)] {
            let detail = reply.json()["detail"].as_str().unwrap().to_string();
            assert_eq!(reply.status, status, "{what}: {detail}");
            assert!(detail.contains(CHECKPOINT), "{what}: {detail}");
        }
    }
    fs::write(&files[0], &real).unwrap();
    assert_eq!(predict(ids[0]).status, 200);
    // Whole, but of a training that went astray.
    let (head, numbers) = parted(&real);
    fs::write(&files[1], checkpoint_of(&head, &f32::NAN.to_le_bytes().repeat(numbers.len() / 4))).unwrap();
    let astray = predict(ids[1]);
    assert_eq!(astray.status, 422);
    assert!(astray.text().contains("epoch 1"), "{}", astray.text());
}
