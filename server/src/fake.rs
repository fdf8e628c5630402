//! A trainer for tests: no images and no arithmetic, but the events, the checkpoints and the manners of the real one.

use crate::checkpoints;
use crate::runs::Run;
use candle_core::Device;
use serde_json::json;
use std::sync::atomic::Ordering;
use trainer::checkpoint::{self, About};
use trainer::event::{Artifact, Emission, EpochReport, RunEvent};
use trainer::loss::CenterLoss;
use trainer::network::CenterNet;
use trainer::optim::Sgd;
use trainer::spec::{Distance, Network, Profile, RunSpec};

/// A spec whose checkpoints are small.
pub(crate) fn spec(epochs: u32) -> RunSpec {
    let preset = RunSpec::preset(Profile::Quick, Network::Shallow, Distance::Root);
    RunSpec { width: 0.03125, epochs, checkpoint_every: 1, ..preset }
}

pub(crate) fn scheduled(epochs: u32) -> RunEvent {
    RunEvent::Scheduled { name: "test".into(), comparison: None, sweep: None, spec: spec(epochs), fork: None }
}

/// Goes through the epochs that are left.
pub(crate) fn train(run: &Run, emit: &mut dyn FnMut(Emission)) -> RunEvent {
    let state = run.read().unwrap();
    emit(RunEvent::Preparing { message: "pretending".into() }.into());
    let done = state.summary.epoch;
    if done > 0
        && let Err(error) = checkpoints::at(&run.folder, &state, done)
    {
        return RunEvent::Failed { reason: error.to_string() };
    }
    for epoch in done + 1..=state.summary.spec.epochs {
        emit(epoch_done(&state.summary.spec, epoch));
        if run.stop_flag().load(Ordering::Relaxed) {
            return RunEvent::Killed { reason: run.stop_reason().into() };
        }
    }
    RunEvent::Finished
}

/// What the trainer tells at the end of an epoch.
pub(crate) fn epoch_done(spec: &RunSpec, epoch: u32) -> Emission {
    let net = CenterNet::new(spec.network, spec.width, epoch.into(), &Device::Cpu).unwrap();
    let loss = CenterLoss::new(spec.distance, spec.lambda, 1, &Device::Cpu).unwrap();
    let sgd = Sgd::new(net.variables(), spec.momentum).unwrap();
    let bytes = checkpoint::save(&About::new(spec, epoch, None), &net, &loss, &sgd).unwrap().into();
    let kept = Artifact { name: checkpoint::kept_artifact(epoch), bytes };
    let last = Artifact { name: checkpoint::LAST.into(), bytes: kept.bytes.clone() };
    let zeros = [[0.0; 2]; 10];
    let report = json!({"epoch": epoch, "metrics": {"test_accuracy": 0.5}, "confusion": vec![[0; 10]; 10],
        "geometry": {"centers": zeros, "means": zeros, "weight": zeros, "bias": vec![0.0; 10]},
        "artifacts": [kept.name, last.name]});
    let report: EpochReport = serde_json::from_value(report).unwrap();
    Emission { event: RunEvent::Epoch(Box::new(report)), artifacts: vec![kept, last] }
}
