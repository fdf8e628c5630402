//! What a run is asked to do: [`RunSpec`], its presets, and the one table of fields ([`FIELDS`]) from which
//! requests are checked, the form is drawn and the documentation is written.

mod fields;
mod words;

pub use fields::{FIELDS, Field, Kind, SpecError, field};
pub use words::{DatasetChoice, DeviceChoice, Distance, Network, NonFinite, Precision, Profile, Variant};

use crate::checkpoint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything that decides what a run computes. Two CPU runs of one spec give the same numbers to the bit.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RunSpec {
    /// Depth of the network.
    pub network: Network,
    /// Distance of the center loss.
    pub distance: Distance,
    /// Weight λ of the center loss.
    pub lambda: f64,
    /// Seed of everything random: initial weights, centers, order of the images.
    pub seed: u64,
    /// Number of passes over the training images.
    pub epochs: u32,
    /// Images in a batch; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Learning rate of the network's SGD at epoch 1.
    pub lr: f64,
    /// Learning rate of the centers' SGD.
    pub center_lr: f64,
    /// Momentum of the network's SGD.
    pub momentum: f64,
    /// The network's learning rate is multiplied by `lr_gamma` every `lr_step` epochs.
    pub lr_step: u32,
    /// See `lr_step`.
    pub lr_gamma: f64,
    /// Multiplier of every channel count.
    pub width: f64,
    /// How many training images to use, from the first; at most what the data set holds.
    pub train_images: usize,
    /// The data set asked for.
    pub dataset: DatasetChoice,
    /// The device asked for.
    pub device: DeviceChoice,
    /// The precision asked for; only a GPU heeds it.
    #[serde(default = "Precision::usual")]
    pub precision: Precision,
    /// What a step whose loss is NaN or infinite does.
    #[serde(default = "stop")]
    pub non_finite: NonFinite,
    /// Epochs between two checkpoints that are kept beside the last and the best; 0 keeps no others.
    #[serde(default)]
    pub checkpoint_every: u32,
}

/// What runs did before they could be asked.
fn stop() -> NonFinite {
    NonFinite::Stop
}

/// Epochs between two drops of a quick run's learning rate: a quarter of the run. Fast at first, then calm: at a constant
/// rate the last epoch's accuracy is a matter of luck.
fn quick_step(epochs: u32) -> u32 {
    epochs.div_ceil(4)
}

impl RunSpec {
    /// The preset of a profile for a network and a distance.
    pub fn preset(profile: Profile, network: Network, distance: Distance) -> RunSpec {
        let epochs = match (network, distance) {
            (Network::Deep, Distance::Squared) => 16,
            (Network::Deep, Distance::Root) => 10,
            (Network::Shallow, _) => 12,
        };
        let full = RunSpec {
            network,
            distance,
            lambda: 1.0,
            seed: 1,
            epochs,
            batch_size: 256,
            lr: 0.001,
            center_lr: 0.5,
            momentum: 0.9,
            lr_step: 20,
            lr_gamma: 0.8,
            width: 1.0,
            train_images: 60_000,
            dataset: DatasetChoice::Auto,
            device: DeviceChoice::Auto,
            precision: Precision::usual(),
            non_finite: NonFinite::Stop,
            checkpoint_every: checkpoint::default_every(network, 1.0, epochs),
        };
        match profile {
            Profile::Full => full,
            Profile::Quick => RunSpec {
                epochs: 8,
                batch_size: 64,
                lr: 0.01,
                lr_step: quick_step(8),
                lr_gamma: 0.3,
                width: 0.25,
                train_images: 12_000,
                checkpoint_every: checkpoint::default_every(network, 0.25, 8),
                ..full
            },
        }
    }

    /// The named variant this spec amounts to, if any.
    pub fn variant(&self) -> Option<Variant> {
        Variant::of(self.network, self.distance)
    }

    /// Whether values of both runs' losses are in the same unit: they have one distance and one λ, and, since the center loss
    /// divides by how many images of a class a batch holds, one batch size.
    pub fn shares_loss(&self, other: &RunSpec) -> bool {
        let loss = |spec: &RunSpec| (spec.distance, spec.lambda, spec.batch_size);
        loss(self) == loss(other)
    }

    /// A short label: `V1.0`, or network and distance where the combination has no name.
    pub fn label(&self) -> String {
        match self.variant() {
            Some(v) => v.word().to_uppercase(),
            None => format!("{} · {}", self.network, self.distance),
        }
    }

    /// The value of the field called `name`; `None` where a spec holds no such field (`name`, `variant`, `profile`).
    pub fn value(&self, name: &str) -> Option<SpecValue> {
        use SpecValue::{Number, Word};
        Some(match name {
            "network" => Word(self.network.word()),
            "distance" => Word(self.distance.word()),
            "lambda" => Number(self.lambda),
            "seed" => Number(self.seed as f64),
            "epochs" => Number(self.epochs.into()),
            "batch_size" => Number(self.batch_size as f64),
            "lr" => Number(self.lr),
            "center_lr" => Number(self.center_lr),
            "momentum" => Number(self.momentum),
            "lr_step" => Number(self.lr_step.into()),
            "lr_gamma" => Number(self.lr_gamma),
            "width" => Number(self.width),
            "train_images" => Number(self.train_images as f64),
            "dataset" => Word(self.dataset.word()),
            "device" => Word(self.device.word()),
            "checkpoint_every" => Number(self.checkpoint_every.into()),
            "precision" => Word(self.precision.word()),
            "non_finite" => Word(self.non_finite.word()),
            _ => return None,
        })
    }

    /// Whether the setting called `name` is what others of this spec make it in a request that leaves it out.
    pub fn follows(&self, name: &str) -> bool {
        match name {
            "lr_step" => self.lr_step == quick_step(self.epochs),
            "checkpoint_every" => {
                self.checkpoint_every == checkpoint::default_every(self.network, self.width, self.epochs)
            }
            _ => false,
        }
    }

    /// Learning rate of the network in `epoch` (counted from 1): lr · gamma^⌊(epoch − 1) / step⌋, PyTorch's StepLR.
    pub fn lr_at(&self, epoch: u32) -> f64 {
        self.lr * self.lr_gamma.powi(((epoch - 1) / self.lr_step) as i32)
    }

    /// Reads a request: a JSON object of the fields in [`FIELDS`], each optional, over the preset of `profile`
    /// (the request's own `profile` field goes first) and of the variant it names (V1.0 when it names none).
    ///
    /// # Errors
    /// An unknown field, a wrong type, a value out of range, or `variant` beside contradicting parts.
    pub fn from_request(request: &Map<String, Value>, profile: Profile) -> Result<RunSpec, SpecError> {
        for (name, value) in request {
            field(name).ok_or_else(|| SpecError::unknown(name, value))?.check(value)?;
        }
        let word = |name: &str| request.get(name).and_then(Value::as_str);
        let profile = word("profile").and_then(Profile::from_word).unwrap_or(profile);
        let variant = word("variant").and_then(Variant::from_word);
        let (mut network, mut distance) = variant.unwrap_or(Variant::V1_0).parts();
        for (name, word) in [("network", word("network")), ("distance", word("distance"))] {
            let Some(word) = word else { continue };
            let before = (network, distance);
            match name {
                "network" => network = Network::from_word(word).unwrap_or(network),
                _ => distance = Distance::from_word(word).unwrap_or(distance),
            }
            if let Some(variant) = variant
                && before != (network, distance)
            {
                let expected = format!("nothing that contradicts variant {variant}: leave out one of the two");
                return Err(SpecError::new(name, word.into(), expected));
            }
        }

        let mut spec = RunSpec::preset(profile, network, distance).with(request);
        if profile == Profile::Quick && !request.contains_key("lr_step") {
            spec.lr_step = quick_step(spec.epochs);
        }
        if !request.contains_key("checkpoint_every") {
            spec.checkpoint_every = checkpoint::default_every(network, spec.width, spec.epochs);
        }
        Ok(spec)
    }

    /// This spec with the values of a checked request, all but those that name network, distance and profile.
    fn with(self, request: &Map<String, Value>) -> RunSpec {
        let word = |name: &str| request.get(name).and_then(Value::as_str);
        let number = |name: &str| request.get(name).and_then(Value::as_f64);
        let whole = |name: &str| request.get(name).and_then(Value::as_u64);
        RunSpec {
            lambda: number("lambda").unwrap_or(self.lambda),
            seed: whole("seed").unwrap_or(self.seed),
            epochs: whole("epochs").map_or(self.epochs, |n| n as u32),
            batch_size: whole("batch_size").map_or(self.batch_size, |n| n as usize),
            lr: number("lr").unwrap_or(self.lr),
            center_lr: number("center_lr").unwrap_or(self.center_lr),
            momentum: number("momentum").unwrap_or(self.momentum),
            lr_step: whole("lr_step").map_or(self.lr_step, |n| n as u32),
            lr_gamma: number("lr_gamma").unwrap_or(self.lr_gamma),
            width: number("width").unwrap_or(self.width),
            train_images: whole("train_images").map_or(self.train_images, |n| n as usize),
            dataset: word("dataset").and_then(DatasetChoice::from_word).unwrap_or(self.dataset),
            device: word("device").and_then(DeviceChoice::from_word).unwrap_or(self.device),
            precision: word("precision").and_then(Precision::from_word).unwrap_or(self.precision),
            non_finite: word("non_finite").and_then(NonFinite::from_word).unwrap_or(self.non_finite),
            checkpoint_every: whole("checkpoint_every").map_or(self.checkpoint_every, |n| n as u32),
            ..self
        }
    }

    /// The spec of a run that goes on from a checkpoint of this one with other values.
    ///
    /// # Errors
    /// An unknown field, a wrong value, or another network: its weights would not fit.
    pub fn fork(&self, overrides: &Map<String, Value>) -> Result<RunSpec, SpecError> {
        for (name, value) in overrides {
            field(name).ok_or_else(|| SpecError::unknown(name, value))?.check(value)?;
        }
        let refuse = |name: &str, expected: String| SpecError::new(name, overrides[name].clone(), expected);
        if overrides.contains_key("profile") {
            let expected = "nothing: a fork keeps the values of its run; name the fields that differ".into();
            return Err(refuse("profile", expected));
        }
        let word = |name: &str| overrides.get(name).and_then(Value::as_str);
        let variant = word("variant").and_then(Variant::from_word).map(Variant::parts);
        for (name, network) in [
            ("variant", variant.map(|(network, _)| network)),
            ("network", word("network").and_then(Network::from_word)),
        ] {
            if network.is_some_and(|network| network != self.network) {
                let expected =
                    format!("the {} network, as in the run that is forked: its weights fit no other", self.network);
                return Err(refuse(name, expected));
            }
        }
        let spec = self.clone().with(overrides);
        if spec.width != self.width {
            let expected = format!("{}, as in the run that is forked: its weights fit no other width", self.width);
            return Err(refuse("width", expected));
        }
        let distance = word("distance").and_then(Distance::from_word);
        let named = variant.map(|(_, distance)| distance);
        if let (Some(distance), Some(named)) = (distance, named)
            && distance != named
        {
            return Err(refuse("distance", "nothing that contradicts variant: leave out one of the two".into()));
        }
        Ok(RunSpec { distance: distance.or(named).unwrap_or(self.distance), ..spec })
    }

    /// Whether every field is within its range: for a spec that comes from a file.
    ///
    /// # Errors
    /// Names the field at fault.
    pub fn check(&self) -> Result<(), SpecError> {
        let values = serde_json::to_value(self).unwrap_or_default();
        FIELDS.iter().filter_map(|f| Some((f, values.get(f.name)?))).try_for_each(|(f, value)| f.check(value))
    }
}

/// The value of a spec's field, for whoever goes through them by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SpecValue {
    /// A number; whole ones are exact, since no field takes more than 2⁵³.
    Number(f64),
    /// A word.
    Word(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(request: Value) -> Result<RunSpec, SpecError> {
        RunSpec::from_request(request.as_object().unwrap(), Profile::Quick)
    }

    #[test]
    fn an_empty_request_is_the_preset() {
        assert_eq!(read(json!({})).unwrap(), RunSpec::preset(Profile::Quick, Network::Deep, Distance::Squared));
    }

    #[test]
    fn the_full_profile_keeps_the_original_run_lengths() {
        let epochs = |variant: &str| read(json!({"variant": variant, "profile": "full"})).unwrap().epochs;
        assert_eq!([epochs("v1.0"), epochs("v1.1"), epochs("v1.2")], [16, 10, 12]);
    }

    #[test]
    fn a_quick_run_of_any_length_ends_calm() {
        for (epochs, drops) in [(3, 2), (8, 3), (20, 3), (1000, 3)] {
            let spec = read(json!({"epochs": epochs, "profile": "quick"})).unwrap();
            let rates = [1, epochs].map(|epoch| spec.lr_at(epoch));
            assert_eq!(rates, [0.01, 0.01 * 0.3f64.powi(drops)], "{epochs} epochs");
        }
        assert_eq!(read(json!({"epochs": 20, "lr_step": 4})).unwrap().lr_step, 4);
        let follows = |request| read(request).unwrap().follows("lr_step");
        assert!(follows(json!({"epochs": 20})) && !follows(json!({"epochs": 20, "lr_step": 4})));
    }

    #[test]
    fn errors_name_field_value_and_range() {
        let e = read(json!({"epochs": 0})).unwrap_err();
        assert_eq!((e.field.as_str(), &e.value), ("epochs", &json!(0)));
        assert_eq!(e.expected, "a whole number from 1 to 1000");
        for bad in [
            json!({"epoch": 1}),
            json!({"seed": -1}),
            json!({"lr": "0.1"}),
            json!({"name": "a\nb"}),
            json!({"width": 1e9}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variant_and_its_parts_must_agree() {
        assert!(read(json!({"variant": "v1.1", "network": "deep", "distance": "root"})).is_ok());
        assert_eq!(read(json!({"variant": "v1.1", "distance": "squared"})).unwrap_err().field, "distance");
        assert_eq!(read(json!({"network": "shallow", "distance": "squared"})).unwrap().variant(), None);
    }

    #[test]
    fn a_fork_changes_anything_but_what_its_weights_depend_on() {
        let spec = read(json!({"variant": "v1.0", "lambda": 2.0, "checkpoint_every": 3})).unwrap();
        let fork = |overrides: Value| spec.fork(overrides.as_object().unwrap());
        assert_eq!(fork(json!({})).unwrap(), spec);
        let other = fork(json!({"lambda": 0.5, "epochs": 20, "variant": "v1.1"})).unwrap();
        let expected = RunSpec { lambda: 0.5, epochs: 20, distance: Distance::Root, ..spec.clone() };
        assert_eq!(other, expected);
        for (field, value) in [
            ("network", json!("shallow")),
            ("variant", json!("v1.2")),
            ("width", json!(0.5)),
            ("profile", json!("full")),
            ("epochs", json!(0)),
            ("nothing", json!(1)),
        ] {
            assert_eq!(fork(json!({field: value})).unwrap_err().field, field);
        }
        assert_eq!(fork(json!({"variant": "v1.1", "distance": "squared"})).unwrap_err().field, "distance");
    }

    #[test]
    fn a_spec_of_an_older_version_still_reads() {
        let spec = read(json!({})).unwrap();
        let mut old = serde_json::to_value(&spec).unwrap();
        let fields = old.as_object_mut().unwrap();
        fields.remove("non_finite");
        fields.remove("checkpoint_every");
        let old = serde_json::from_value::<RunSpec>(old).unwrap();
        assert_eq!(old, RunSpec { checkpoint_every: 0, ..spec });
        assert_eq!(RunSpec { width: 3.0, ..old }.check().unwrap_err().field, "width");
    }

    #[test]
    fn every_field_can_be_read_by_name() {
        let spec = read(json!({})).unwrap();
        let fields = serde_json::to_value(&spec).unwrap();
        for (name, value) in fields.as_object().unwrap() {
            match spec.value(name).unwrap_or_else(|| panic!("RunSpec::value doesn't know {name}")) {
                SpecValue::Number(number) => assert_eq!(value.as_f64(), Some(number), "{name}"),
                SpecValue::Word(word) => assert_eq!(value, word, "{name}"),
            }
        }
    }

    #[test]
    fn step_lr_drops_after_each_step_of_epochs() {
        let spec = read(json!({"lr": 1.0, "lr_step": 2, "lr_gamma": 0.5})).unwrap();
        assert_eq!([1, 2, 3, 5].map(|epoch| spec.lr_at(epoch)), [1.0, 1.0, 0.5, 0.25]);
    }
}
