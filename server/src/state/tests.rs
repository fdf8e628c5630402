//! The fold, line by line.

use super::*;
use serde_json::{Value, json};
use std::{env, fs};
use trainer::spec::{Distance, Network, Profile, RunSpec};

fn line(seq: u64, event: Value) -> String {
    let mut line = json!({"seq": seq, "time_ms": seq * 1000});
    line.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
    line.to_string()
}

fn epoch(seq: u64, epoch: u32, accuracy: f64) -> String {
    let zeros = [[0.0; 2]; 10];
    let geometry = json!({"centers": zeros, "means": zeros, "weight": zeros, "bias": vec![0.0; 10]});
    line(
        seq,
        json!({"type": "epoch", "epoch": epoch, "metrics": {"test_accuracy": accuracy, "train_loss": 0.5},
            "confusion": vec![[0; 10]; 10], "geometry": geometry, "artifacts": []}),
    )
}

fn log() -> Vec<String> {
    let spec = RunSpec::preset(Profile::Quick, Network::Shallow, Distance::Root);
    let data = json!({"set": "mnist", "name": "MNIST", "train_images": 60000, "test_images": 10000, "digest": "00"});
    let loss = json!({"total": 2.5, "cross_entropy": 2.0, "center_loss": 0.5});
    vec![
        line(1, json!({"type": "scheduled", "name": "a", "comparison": "c", "spec": spec})),
        line(2, json!({"type": "preparing", "message": "…"})),
        line(
            3,
            json!({"type": "started", "data": data, "train_images": 12000, "steps_per_epoch": 188,
                "parameters": 9, "device": "CPU", "version": "0"}),
        ),
        line(4, json!({"type": "progress", "epoch": 1, "step": 20, "steps": 188, "loss": loss, "images_per_s": 99.5})),
        epoch(5, 1, 0.96),
        epoch(6, 2, 0.8),
        line(7, json!({"type": "killed", "reason": "by hand"})),
        line(8, json!({"type": "resumed", "epoch": 1, "damaged": ["checkpoints/last.safetensors: torn"]})),
        epoch(9, 2, 0.85),
    ]
}

fn after(count: usize) -> RunState {
    let log = log();
    RunState::replay(RunId::fresh(), log[..count].iter().map(String::as_str)).unwrap()
}

/// The pages' tests read the same file. With CENTERSCOPE_WRITE_FIXTURE the states are written anew, to be looked at as a
/// change of the file.
#[test]
fn each_line_of_the_fixture_leads_to_its_state() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/fold.jsonl");
    let rows = fs::read_to_string(path).unwrap();
    let rows = rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()).collect::<Vec<_>>();
    let lines = rows.iter().map(|row| row["line"].to_string()).collect::<Vec<_>>();
    let id = "01a20bc0-95e5-75ae-bf61-e46d29aa5d9a".parse().unwrap();
    let folded = (1..=lines.len()).map(|count| {
        let state = RunState::replay(id, lines[..count].iter().map(String::as_str)).unwrap();
        // As it is sent: a number of 32 bits is written shorter than it is widened.
        serde_json::from_str::<Value>(&serde_json::to_string(&state).unwrap()).unwrap()
    });
    let folded = folded.collect::<Vec<_>>();
    if env::var_os("CENTERSCOPE_WRITE_FIXTURE").is_some() {
        let rows =
            rows.iter().zip(&folded).map(|(row, state)| format!("{}\n", json!({"line": row["line"], "state": state})));
        fs::write(path, rows.collect::<String>()).unwrap();
        return;
    }
    for (row, state) in rows.iter().zip(&folded) {
        assert_eq!(&row["state"], state, "after {}", row["line"]);
    }
}

#[test]
fn a_run_goes_through_its_life() {
    use Status::{Killed, Running, Scheduled};
    let statuses = [1, 2, 3, 4, 5, 6, 7].map(|count| after(count).summary.status);
    assert_eq!(statuses, [Scheduled, Running, Running, Running, Running, Running, Killed]);
    let under_way = after(4).summary;
    assert_eq!((under_way.step, under_way.steps, under_way.train_loss), (20, 188, Some(2.5)));
    assert_eq!((under_way.started_ms, under_way.test_accuracy), (Some(3000), None));
    let ended = after(7);
    assert_eq!((ended.summary.seq, ended.history.len(), ended.progress.len()), (7, 2, 1));
    let run = ended.summary;
    assert_eq!((run.epoch, run.step, run.train_loss), (2, 0, Some(0.5)));
    assert_eq!((run.test_accuracy, run.best_test_accuracy), (Some(0.8), Some(0.96)));
    assert_eq!(run.reached, BTreeMap::from([("epochs_to_95".to_string(), 1)]), "falling back takes nothing away");
    assert_eq!((run.ended_ms, run.reason.as_deref()), (Some(7000), Some("by hand")));
}

#[test]
fn a_fork_tells_no_epoch_at_which_it_got_good() {
    let mut log = log();
    let fork = json!({"run": "other", "epoch": 1, "sha256": "00"});
    log[0] = log[0].replace("\"comparison\"", &format!("\"fork\":{fork},\"comparison\""));
    let forked = RunState::replay(RunId::fresh(), log[..5].iter().map(String::as_str)).unwrap();
    assert_eq!((forked.summary.fork.is_some(), forked.summary.test_accuracy), (true, Some(0.96)));
    assert!(forked.summary.reached.is_empty(), "its run may have got there before: {:?}", forked.summary.reached);
}

#[test]
fn a_resumed_run_goes_on_from_its_checkpoint() {
    let resumed = after(8);
    let run = &resumed.summary;
    assert_eq!((run.status, run.epoch, resumed.history.len()), (Status::Scheduled, 1, 1));
    assert_eq!((run.reason.as_deref(), run.ended_ms, run.started_ms), (None, None, Some(3000)));
    assert_eq!((run.test_accuracy, run.best_test_accuracy), (Some(0.96), Some(0.96)));
    assert_eq!(resumed.damaged, ["checkpoints/last.safetensors: torn"]);
    let again = after(9);
    assert_eq!(again.history.iter().map(|report| report.epoch).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((again.summary.test_accuracy, again.summary.best_test_accuracy), (Some(0.85), Some(0.96)));
}

#[test]
fn an_edit_after_the_end_changes_what_it_names_and_nothing_else() {
    let mut state = after(7);
    let before = state.summary.clone();
    let edit = Edit { name: Some("b".into()), tags: Some(vec!["paper".into()]), ..Edit::default() };
    state.apply(&LogLine { seq: 8, time_ms: 9000, event: RunEvent::Edited(edit) });
    let expected = Summary { name: "b".into(), tags: vec!["paper".into()], seq: 8, ..before };
    assert_eq!(state.summary, expected);
    let undo = Edit { name: Some("a".into()), tags: Some(Vec::new()), archived: Some(true), ..Edit::default() };
    state.apply(&LogLine { seq: 9, time_ms: 9001, event: RunEvent::Edited(undo) });
    assert_eq!((state.summary.name.as_str(), state.summary.tags.len(), state.summary.archived), ("a", 0, true));
    assert_eq!(state.summary.ended_ms, Some(7000));
}

#[test]
fn a_log_that_tells_of_no_run_is_an_error() {
    let replay = |lines: &[&str]| RunState::replay(RunId::fresh(), lines.iter().copied());
    assert!(matches!(replay(&[]), Err(LogError::NoBeginning)));
    assert!(matches!(replay(&[&log()[1]]), Err(LogError::NoBeginning)));
    assert!(matches!(replay(&[&log()[0], "{}"]), Err(LogError::Line { line: 2, .. })));
    assert!(matches!(replay(&[&log()[0], &log()[2]]), Err(LogError::Place { line: 2, seq: 3 })));
}
