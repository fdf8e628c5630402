//! The fields of a request: what each takes, and what is said where it holds something else.

use super::{DatasetChoice, DeviceChoice, Distance, Network, NonFinite, Precision, Profile, Variant};
use serde_json::Value;

/// A request that can't be read as a spec.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: got {value}, expected {expected}")]
pub struct SpecError {
    /// The field at fault.
    pub field: String,
    /// The value it held.
    pub value: Value,
    /// What is allowed, as a phrase: `a whole number from 1 to 1000`.
    pub expected: String,
}

impl SpecError {
    /// `value` is not what `field` takes; `expected` is a phrase that says what is.
    pub fn new(field: impl Into<String>, value: Value, expected: impl Into<String>) -> SpecError {
        SpecError { field: field.into(), value, expected: expected.into() }
    }

    pub(super) fn unknown(name: &str, value: &Value) -> SpecError {
        let known = FIELDS.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
        SpecError::new(name, value.clone(), format!("one of the known fields: {known}"))
    }
}

/// The kind and range of a field's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number within the closed range.
    Whole {
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// A finite number within the closed range.
    Number {
        /// Smallest allowed.
        min: f64,
        /// Largest allowed.
        max: f64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text of 1 to this many characters, none of them a control character.
    Text {
        /// Most characters.
        max_chars: usize,
    },
}

/// A field of a `POST /runs` body.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in JSON; `-` for `_` on the command line.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// One sentence for the form, the command line and the documentation.
    pub help: &'static str,
}

/// Every field of a request, in the order in which people think of them.
pub const FIELDS: &[Field] = &[
    Field { name: "name", kind: Kind::Text { max_chars: 120 }, help: "A name for people; the id stays the id." },
    Field {
        name: "variant",
        kind: Kind::Word(Variant::WORDS),
        help: "V1.0 deep · squared, V1.1 deep · root, V1.2 shallow · root.",
    },
    Field {
        name: "network",
        kind: Kind::Word(Network::WORDS),
        help: "Instead of a variant: nine or six convolutions.",
    },
    Field {
        name: "distance",
        kind: Kind::Word(Distance::WORDS),
        help: "Instead of a variant: the center loss's distance.",
    },
    Field {
        name: "profile",
        kind: Kind::Word(Profile::WORDS),
        help: "Preset of the fields below: quick (default on a CPU) or full (default on a GPU).",
    },
    Field { name: "epochs", kind: Kind::Whole { min: 1, max: 1000 }, help: "Passes over the training images." },
    Field {
        name: "seed",
        kind: Kind::Whole { min: 0, max: (1 << 53) - 1 },
        help: "Decides initial weights, centers and image order.",
    },
    Field { name: "batch_size", kind: Kind::Whole { min: 1, max: 4096 }, help: "Images a step." },
    Field { name: "lr", kind: Kind::Number { min: 0.0, max: 10.0 }, help: "Learning rate of the network." },
    Field {
        name: "center_lr",
        kind: Kind::Number { min: 0.0, max: 10.0 },
        help: "Learning rate of the class centers.",
    },
    Field { name: "momentum", kind: Kind::Number { min: 0.0, max: 0.999 }, help: "Momentum of the network's SGD." },
    Field { name: "lambda", kind: Kind::Number { min: 0.0, max: 1000.0 }, help: "Weight λ of the center loss." },
    Field {
        name: "lr_step",
        kind: Kind::Whole { min: 1, max: 10_000 },
        help: "Epochs between two drops of the learning rate; in a quick run a quarter of its epochs.",
    },
    Field { name: "lr_gamma", kind: Kind::Number { min: 0.001, max: 1.0 }, help: "Factor of each drop." },
    Field { name: "width", kind: Kind::Number { min: 0.03125, max: 2.0 }, help: "Multiplier of every channel count." },
    Field {
        name: "train_images",
        kind: Kind::Whole { min: 1, max: 60_000 },
        help: "Training images to use, at most what the data set holds.",
    },
    Field {
        name: "dataset",
        kind: Kind::Word(DatasetChoice::WORDS),
        help: "MNIST, generated digits, or MNIST where it can be had.",
    },
    Field {
        name: "device",
        kind: Kind::Word(DeviceChoice::WORDS),
        help: "Where to train; auto takes CUDA when it is there.",
    },
    Field {
        name: "precision",
        kind: Kind::Word(Precision::WORDS),
        help: "How exactly a GPU computes; a CPU always takes f32.",
    },
    Field {
        name: "non_finite",
        kind: Kind::Word(NonFinite::WORDS),
        help: "A step whose loss is NaN or infinite: stop fails the run, skip leaves the step out.",
    },
    Field {
        name: "checkpoint_every",
        kind: Kind::Whole { min: 0, max: 1000 },
        help: "Epochs between two kept checkpoints, beside last and best; 0 keeps no others. By default about 1 GB a run.",
    },
];

/// The field of that name.
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|f| f.name == name)
}

impl Field {
    /// What the field takes, as a phrase.
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Number { min, max } => format!("a number from {min} to {max}"),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            Kind::Text { max_chars } => format!("text of 1 to {max_chars} characters without control characters"),
        }
    }

    /// Whether `value` is what the field takes.
    ///
    /// # Errors
    /// Names the field, the value and what is allowed.
    pub fn check(&self, value: &Value) -> Result<(), SpecError> {
        let fits = match self.kind {
            Kind::Whole { min, max } => value.as_u64().is_some_and(|n| (min..=max).contains(&n)),
            Kind::Number { min, max } => value.as_f64().is_some_and(|n| (min..=max).contains(&n)),
            Kind::Word(words) => value.as_str().is_some_and(|s| words.contains(&s)),
            Kind::Text { max_chars } => value.as_str().is_some_and(|s| {
                !s.trim().is_empty() && s.chars().count() <= max_chars && !s.chars().any(char::is_control)
            }),
        };
        if fits { Ok(()) } else { Err(SpecError::new(self.name, value.clone(), self.expected())) }
    }
}
