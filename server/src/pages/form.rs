//! The form that starts runs, from the trainer's table of fields.

use super::compare::formula;
use crate::text;
use serde_json::{Map, Value};
use trainer::spec::{FIELDS, Field, Kind, Profile, RunSpec, Variant};

/// The form that starts runs.
pub struct FormView {
    /// The named variants, for checkboxes called `variants`.
    pub variants: Vec<VariantOption>,
    /// The parts of a combination that no variant names, as hidden fields; empty otherwise.
    pub parts: Vec<(&'static str, String)>,
    /// The other fields of a request.
    pub fields: Vec<FormField>,
}

/// A variant to choose.
pub struct VariantOption {
    /// `v1.0`
    pub word: &'static str,
    /// `V1.0`
    pub label: String,
    /// `deep`
    pub network: &'static str,
    /// `squared`
    pub distance: &'static str,
    /// The loss in a few signs.
    pub formula: &'static str,
    /// Whether it is chosen to begin with.
    pub checked: bool,
}

/// A field of the form.
pub struct FormField {
    /// `batch_size`
    pub name: &'static str,
    /// The same for people: `Batch size`.
    pub label: String,
    /// `number` (or several), `select` or `text`.
    pub input: &'static str,
    /// Smallest allowed; empty unless `input` is `number`.
    pub min: String,
    /// Largest allowed; likewise.
    pub max: String,
    /// What it stands at to begin with; empty where the profile decides.
    pub value: String,
    /// The words to choose from, where `input` is `select`.
    pub options: &'static [&'static str],
    /// Its value in the quick profile; empty where the profile says nothing.
    pub quick: String,
    /// Its value in the full profile; likewise.
    pub full: String,
    /// What it is.
    pub help: &'static str,
    /// Whether most people leave it alone.
    pub advanced: bool,
}

impl FormView {
    /// The form as it stands for everybody.
    pub fn new() -> FormView {
        FormView::filled(None)
    }

    /// The form filled with a request.
    pub fn again(request: &Map<String, Value>) -> FormView {
        FormView::filled(Some(request))
    }

    fn filled(request: Option<&Map<String, Value>>) -> FormView {
        let given = |name: &str| request.and_then(|request| request.get(name)).map(text::plain);
        let variants = Variant::ALL.iter().map(|v| {
            let (network, distance) = v.parts();
            VariantOption {
                word: v.word(),
                label: v.word().to_uppercase(),
                network: network.word(),
                distance: distance.word(),
                formula: formula(distance),
                checked: request.is_none() || given("variant").as_deref() == Some(v.word()),
            }
        });
        // One value where the variants agree, else all of theirs: `16 / 10 / 12`.
        let default = |profile, f: &Field| {
            let values = Variant::ALL.iter().filter_map(|v| {
                let (network, distance) = v.parts();
                let spec = serde_json::to_value(RunSpec::preset(profile, network, distance)).ok()?;
                spec.get(f.name).map(text::plain)
            });
            let mut values = values.collect::<Vec<_>>();
            values.dedup();
            values.join(" / ")
        };
        // The checkboxes called `variants` say all that these three say.
        let fields = FIELDS.iter().filter(|f| !matches!(f.name, "variant" | "network" | "distance"));
        FormView {
            variants: variants.collect(),
            parts: ["network", "distance"].into_iter().filter_map(|name| Some((name, given(name)?))).collect(),
            fields: fields
                .map(|f| FormField::new(f, given(f.name), default(Profile::Quick, f), default(Profile::Full, f)))
                .collect(),
        }
    }
}

impl Default for FormView {
    fn default() -> FormView {
        FormView::new()
    }
}

/// A field's name for people.
pub(crate) fn field_label(name: &str) -> String {
    match name {
        "lr" => "Learning rate".into(),
        "center_lr" => "Learning rate of the centers".into(),
        "lr_step" => "Learning rate: epochs a step".into(),
        "lr_gamma" => "Learning rate: factor a step".into(),
        "lambda" => "Weight λ".into(),
        other => {
            let spaced = other.replace('_', " ");
            let (first, rest) = spaced.split_at(1);
            first.to_uppercase() + rest
        }
    }
}

impl FormField {
    pub(super) fn new(f: &Field, given: Option<String>, quick: String, full: String) -> FormField {
        let (input, min, max, options): (_, _, _, &'static [&'static str]) = match f.kind {
            Kind::Whole { min, max } => ("number", min.to_string(), max.to_string(), &[]),
            Kind::Number { min, max } => ("number", min.to_string(), max.to_string(), &[]),
            Kind::Word(words) => ("select", String::new(), String::new(), words),
            Kind::Text { max_chars } => ("text", String::new(), max_chars.to_string(), &[]),
        };
        let advanced = !matches!(f.name, "name" | "profile" | "epochs" | "seed" | "train_images" | "dataset");
        let preset = if input == "select" { quick.clone() } else { String::new() };
        FormField {
            name: f.name,
            label: field_label(f.name),
            input,
            min,
            max,
            value: given.unwrap_or(preset),
            options,
            quick,
            full,
            help: f.help,
            advanced,
        }
    }
}
