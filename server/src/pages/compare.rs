//! Several runs side by side, live or as a file of its own.

use super::StatusView;
use crate::groups::{settings, varied};
use crate::state::Summary;
use crate::text;
use askama::Template;
use trainer::spec::Distance;

/// So many settings in a label tell runs apart; the rest stands on their pages.
const MOST_SAID: usize = 3;

/// The page of several runs side by side.
#[derive(Template)]
#[template(path = "compare.html")]
pub struct ComparePage {
    /// The runs.
    pub view: CompareView,
    /// Addresses that its first plots need, with spaces between.
    pub ahead: String,
    /// Version of the program.
    pub version: &'static str,
}

/// The page of several runs as a file of its own.
#[derive(Template)]
#[template(path = "replay.html")]
pub struct ReplayPage {
    /// The runs.
    pub view: CompareView,
    /// When it was made, for `<time datetime>`.
    pub made_iso: String,
    /// The same for people.
    pub made: String,
    /// States, metrics and the places of the files within `data`: JSON that may stand in a script.
    pub index: String,
    /// The files: gzip in base64.
    pub data: String,
    /// Version of the program.
    pub version: &'static str,
}

/// Several runs side by side.
pub struct CompareView {
    /// Ids joined by commas, as `/events?runs=` takes them.
    pub run_ids: String,
    /// `/compare?runs=…`
    pub url: String,
    /// One panel a run.
    pub panels: Vec<Panel>,
}

/// The plot of one run, before any data.
pub struct Panel {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `V1.0`, with what tells it from others of that label beside it: `V1.0 seed 2`.
    pub label: String,
    /// The loss in a few signs.
    pub formula: &'static str,
    /// `deep`
    pub network: &'static str,
    /// `squared`
    pub distance: &'static str,
    /// Where it stands.
    pub status: StatusView,
    /// Epochs done.
    pub epoch: u32,
    /// Epochs asked for.
    pub epochs: u32,
    /// `97.3 %`
    pub accuracy: String,
    /// `0.1234`
    pub loss: String,
    /// `1 234 images/s`
    pub speed: String,
    /// `MNIST`
    pub data: String,
    /// Why it ended, unless it finished.
    pub reason: Option<String>,
    /// `/runs/…`
    pub url: String,
}

impl From<&Summary> for Panel {
    fn from(run: &Summary) -> Panel {
        Panel {
            id: run.id.to_string(),
            name: run.name.clone(),
            label: run.label.clone(),
            formula: formula(run.distance),
            network: run.network.word(),
            distance: run.distance.word(),
            status: run.status.into(),
            epoch: run.epoch,
            epochs: run.epochs,
            accuracy: text::percent(run.test_accuracy),
            loss: text::number(run.train_loss),
            speed: text::speed(run.images_per_s),
            data: text::or_dash(run.data_name.clone()),
            reason: run.reason.clone(),
            url: run.url.clone(),
        }
    }
}

/// The center loss in a few signs.
pub(super) fn formula(distance: Distance) -> &'static str {
    match distance {
        Distance::Squared => "cross entropy + λ/2 · mean ‖x − c‖² / n",
        Distance::Root => "cross entropy + λ/2 · mean ‖x − c‖ / n",
    }
}

/// Each run's label, with what tells it from the others of that label: `V1.0 lambda 0.5 seed 2`.
fn told_apart(runs: &[&Summary]) -> Vec<String> {
    let label = |run: &&Summary| {
        let like = runs.iter().filter(|other| other.label == run.label);
        let names = varied(like.map(|other| &other.spec));
        let said = settings(&run.spec).into_iter().filter(|(name, _)| names.contains(name)).take(MOST_SAID);
        said.fold(run.label.clone(), |label, (name, value)| format!("{label} {name} {}", text::plain(&value)))
    };
    let labels = runs.iter().map(label).collect::<Vec<_>>();
    let place = |at: usize| labels[..=at].iter().filter(|label| **label == labels[at]).count();
    let numbered = labels.iter().enumerate().map(|(at, label)| {
        let alone = labels.iter().filter(|other| *other == label).count() == 1;
        if alone { label.clone() } else { format!("{label} no. {}", place(at)) }
    });
    numbered.collect()
}

impl CompareView {
    /// These runs, in this order.
    pub fn new(runs: impl IntoIterator<Item = impl AsRef<Summary>>) -> CompareView {
        let runs = runs.into_iter().collect::<Vec<_>>();
        let runs = runs.iter().map(AsRef::as_ref).collect::<Vec<_>>();
        let labels = told_apart(&runs);
        let panels = runs.iter().zip(labels).map(|(run, label)| Panel { label, ..Panel::from(*run) });
        let panels = panels.collect::<Vec<_>>();
        let run_ids = panels.iter().map(|p| p.id.as_str()).collect::<Vec<_>>().join(",");
        CompareView { url: format!("/compare?runs={run_ids}"), run_ids, panels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{LogLine, RunState};
    use crate::store::RunId;
    use serde_json::Map;
    use trainer::event::RunEvent;
    use trainer::spec::{Network, Profile, RunSpec};

    fn run(distance: Distance, seed: u64, lambda: f64) -> Summary {
        let spec = RunSpec { seed, lambda, ..RunSpec::preset(Profile::Quick, Network::Deep, distance) };
        let event = RunEvent::Scheduled { name: "a".into(), comparison: None, sweep: None, spec, fork: None };
        RunState::begin(RunId::fresh(), &LogLine { seq: 1, time_ms: 0, event }).unwrap().summary
    }

    #[test]
    fn runs_of_one_variant_are_told_apart_by_what_differs() {
        use Distance::{Root, Squared};
        let labels = |runs: &[Summary]| told_apart(&runs.iter().collect::<Vec<_>>());
        assert_eq!(labels(&[run(Squared, 1, 1.0), run(Root, 2, 1.0)]), ["V1.0", "V1.1"]);
        let three = [run(Squared, 1, 1.0), run(Root, 1, 1.0), run(Squared, 2, 1.0)];
        assert_eq!(labels(&three), ["V1.0 seed 1", "V1.1", "V1.0 seed 2"]);
        let both = [run(Squared, 1, 1.0), run(Squared, 2, 0.5)];
        assert_eq!(labels(&both), ["V1.0 seed 1 lambda 1", "V1.0 seed 2 lambda 0.5"]);
        let epochs = Map::from_iter([("epochs".to_string(), 50.into())]);
        let spec = RunSpec::from_request(&epochs, Profile::Quick).unwrap();
        let longer = Summary { spec, ..run(Squared, 1, 1.0) };
        assert_ne!(longer.spec.lr_step, run(Squared, 1, 1.0).spec.lr_step);
        assert_eq!(labels(&[longer, run(Squared, 1, 1.0)]), ["V1.0 epochs 50", "V1.0 epochs 8"]);
        let twins = [run(Root, 1, 1.0), run(Root, 1, 1.0)];
        assert_eq!(labels(&twins), ["V1.1 no. 1", "V1.1 no. 2"]);
    }
}
