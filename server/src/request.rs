//! From the body of `POST /runs`, the home page's form or the command line to the runs that are meant.
//!
//! A field that takes a number or a word may hold several values: a list, or a range of numbers. Then the request is a
//! sweep, and every combination of the values is a run.

mod axes;
mod reading;

use crate::checkpoints;
use crate::memory;
use crate::scheduler::Order;
use crate::state::RunState;
use crate::text;
use axes::{Axis, check_size, combinations, take_axes};
use serde_json::{Map, Value, json};
use trainer::device;
use trainer::spec::{DeviceChoice, FIELDS, Field, Profile, RunSpec, SpecError, Variant, field};

pub use reading::{from_json, from_text};

/// Runs in one comparison at most.
const MOST: usize = 6;
/// Characters of a name that the program makes.
const LONGEST_NAME: usize = 120;

/// What a request amounts to.
#[derive(Debug)]
pub struct Plan {
    /// The runs, in order.
    pub orders: Vec<Order>,
    /// What they belong to.
    pub group: Group,
}

/// What the runs of a request belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// It is one run.
    Alone,
    /// A comparison: variants side by side.
    Comparison,
    /// A sweep: every combination of several values.
    Sweep,
}

impl Plan {
    /// The orders, as members of the comparison or sweep `id`.
    pub fn into_orders(self, id: &str) -> Vec<Order> {
        let member = |group| (self.group == group).then(|| id.to_string());
        let (comparison, sweep) = (member(Group::Comparison), member(Group::Sweep));
        let orders = self.orders.into_iter();
        orders.map(|order| Order { comparison: comparison.clone(), sweep: sweep.clone(), ..order }).collect()
    }
}

/// Reads a request: one run where it names a variant or its parts, a comparison where it names `variants` or nothing, a
/// sweep where a field has several values.
///
/// # Errors
/// Names the field, its value and what is expected.
pub fn plan(mut request: Map<String, Value>) -> Result<Plan, SpecError> {
    let mut axes = take_axes(&mut request)?;
    let named = |part: &&str| request.contains_key(*part) || axes.iter().any(|axis| axis.field.name == *part);
    let parted = ["variant", "network", "distance"].into_iter().find(named);
    let variants = match request.remove("variants") {
        Some(_) if parted == Some("variant") => {
            let value = request.remove("variant").unwrap_or_else(|| json!("several"));
            return Err(SpecError::new("variant", value, "nothing beside variants: leave out one of the two"));
        }
        Some(list) => Some(variant_list(&list)?),
        None if parted.is_some() => None,
        None => Some(Variant::ALL.to_vec()),
    };
    let group = match (axes.is_empty(), &variants) {
        (false, _) => Group::Sweep,
        (true, Some(_)) => Group::Comparison,
        (true, None) => Group::Alone,
    };
    if let (Some(variants), Some(field)) = (variants, field("variant")) {
        axes.push(Axis { field, values: variants.iter().map(|variant| json!(variant)).collect() });
    }
    // The seed changes last: whatever is compared by seed has its first pairs early.
    axes.sort_by_key(|axis| (axis.field.name != "seed", FIELDS.iter().position(|f| f.name == axis.field.name)));
    if group == Group::Sweep {
        check_size(&axes)?;
    }
    let orders = combinations(&axes).into_iter().map(|values| {
        let mut request = request.clone();
        request.extend(values.iter().map(|(field, value)| (field.name.into(), (*value).clone())));
        order(&request, &values)
    });
    Ok(Plan { orders: orders.collect::<Result<_, _>>()?, group })
}

fn variant_list(list: &Value) -> Result<Vec<Variant>, SpecError> {
    let words = list.as_array().filter(|words| (1..=MOST).contains(&words.len()));
    let variants = words.and_then(|words| words.iter().map(|w| Variant::from_word(w.as_str()?)).collect());
    variants.ok_or_else(|| {
        let expected = format!("a list of 1 to {MOST} of {}", Variant::WORDS.join(", "));
        SpecError::new("variants", list.clone(), expected)
    })
}

/// A run; `values` are those that tell it from the others of its request.
fn order(request: &Map<String, Value>, values: &[(&'static Field, &Value)]) -> Result<Order, SpecError> {
    let asked = request.get("device").and_then(Value::as_str).and_then(DeviceChoice::from_word);
    let spec = RunSpec::from_request(request, default_profile(asked.unwrap_or(DeviceChoice::Auto)))?;
    check_device(&spec)?;
    memory::check(&spec)?;
    // The label says the variant and its parts, the end the seed.
    let said = ["seed", "variant", "network", "distance"];
    let settings = values.iter().filter(|(field, _)| !said.contains(&field.name));
    let settings = settings.map(|(field, value)| format!(" {} {}", field.name, text::plain(value))).collect::<String>();
    let several_seeds = values.iter().any(|(field, _)| field.name == "seed");
    let seed = format!(" seed {}", spec.seed);
    let name = match request.get("name").and_then(Value::as_str) {
        Some(name) if values.is_empty() => name.into(),
        Some(name) => format!("{name} · {}{settings}{}", spec.label(), if several_seeds { &seed } else { "" }),
        None if settings.is_empty() => default_name(&spec),
        None => format!("{}{settings}{seed}", spec.label()),
    };
    Ok(Order { name, spec, comparison: None, sweep: None, fork: None })
}

fn default_name(spec: &RunSpec) -> String {
    format!("{} seed {}", spec.label(), spec.seed)
}

/// The request that gives a run of this name and spec again.
pub fn again(name: &str, spec: &RunSpec) -> Map<String, Value> {
    let spec_value = serde_json::to_value(spec).unwrap_or_default();
    let value = |field: &Field| match field.name {
        // A name made from the settings is made anew, or it would belie those that are changed.
        "name" if name == default_name(spec) => None,
        "name" => Some(json!(name)).filter(|name| field.check(name).is_ok()),
        "variant" => spec.variant().map(|variant| json!(variant)),
        "network" | "distance" if spec.variant().is_some() => None,
        other => spec_value.get(other).cloned(),
    };
    FIELDS.iter().filter_map(|field| Some((field.name.into(), value(field)?))).collect()
}

/// Reads a request to fork a run: the epoch to go on from, and what the new run will do. Its checkpoint is yet to be read.
///
/// # Errors
/// Names the field, its value and what is expected.
pub fn fork(state: &RunState, mut request: Map<String, Value>) -> Result<(u32, Order), SpecError> {
    let kept = checkpoints::kept(state);
    let asked = request.remove("epoch").unwrap_or_default();
    let epoch = asked.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|epoch| kept.contains(epoch));
    let Some(epoch) = epoch else {
        let kept = kept.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let expected = match kept.as_str() {
            "" => "an epoch with a checkpoint, and the run has none yet: one is stored at the end of each epoch".into(),
            kept => format!("an epoch whose checkpoint is kept: one of {kept}"),
        };
        return Err(SpecError::new("epoch", asked, expected));
    };
    let spec = state.summary.spec.fork(&request)?;
    if spec.epochs <= epoch {
        let expected = format!("more than {epoch}, since the fork's epochs count on from there");
        return Err(SpecError::new("epochs", json!(spec.epochs), expected));
    }
    check_device(&spec)?;
    memory::check(&spec)?;
    let name = match request.get("name").and_then(Value::as_str) {
        Some(name) => name.into(),
        None => {
            let changed = request.iter().map(|(field, value)| format!(", {field} {}", text::plain(value)));
            let name = format!("{} from epoch {epoch}{}", state.summary.name, changed.collect::<String>());
            name.chars().take(LONGEST_NAME).collect()
        }
    };
    Ok((epoch, Order { name, spec, comparison: None, sweep: None, fork: None }))
}

fn check_device(spec: &RunSpec) -> Result<(), SpecError> {
    device::check(spec.device, spec.precision).map_err(|reason| {
        SpecError::new("device", json!(spec.device), format!("a device that can be used here ({reason})"))
    })
}

/// The original numbers where a GPU carries them, minutes' worth of work elsewhere.
fn default_profile(choice: DeviceChoice) -> Profile {
    if device::uses_cuda(choice) == Ok(true) { Profile::Full } else { Profile::Quick }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(request: Value) -> Result<(Group, Vec<String>), SpecError> {
        let plan = plan(request.as_object().unwrap().clone())?;
        Ok((plan.group, plan.orders.into_iter().map(|o| o.name).collect()))
    }

    #[test]
    fn nothing_said_means_all_three_variants() {
        let all = ["V1.0 seed 7", "V1.1 seed 7", "V1.2 seed 7"].map(String::from).to_vec();
        assert_eq!(names(json!({"seed": 7})).unwrap(), (Group::Comparison, all));
        assert_eq!(names(json!({"variant": "v1.1"})).unwrap(), (Group::Alone, vec!["V1.1 seed 1".into()]));
        assert_eq!(
            names(json!({"network": "shallow"})).unwrap(),
            (Group::Alone, vec!["shallow · squared seed 1".into()])
        );
        let two = names(json!({"variants": ["v1.2", "v1.0"], "name": "mine"})).unwrap();
        assert_eq!(two, (Group::Comparison, vec!["mine · V1.2".into(), "mine · V1.0".into()]));
    }

    #[test]
    fn a_wrong_list_is_told_by_its_field() {
        for bad in [json!([]), json!("v1.0"), json!(["v9"]), json!([1]), json!(vec!["v1.0"; 7])] {
            assert_eq!(names(json!({"variants": bad})).unwrap_err().field, "variants");
        }
        assert_eq!(names(json!({"variants": ["v1.0"], "variant": "v1.0"})).unwrap_err().field, "variant");
    }

    #[test]
    fn several_values_make_every_combination_with_the_seed_changing_last() {
        let (group, all) = names(json!({"variants": ["v1.0", "v1.1"], "seeds": [1, 2], "lambda": [0.1, 10]})).unwrap();
        assert_eq!(group, Group::Sweep);
        let of = |seed: u32| {
            ["V1.0 lambda 0.1", "V1.0 lambda 10", "V1.1 lambda 0.1", "V1.1 lambda 10"]
                .map(|n| format!("{n} seed {seed}"))
        };
        assert_eq!(all, [of(1), of(2)].concat());
        let (_, all) = names(json!({"variant": "v1.2", "seed": {"from": 3, "to": 5}, "name": "mine"})).unwrap();
        assert_eq!(all, ["mine · V1.2 seed 3", "mine · V1.2 seed 4", "mine · V1.2 seed 5"]);
        let lambdas = plan(
            json!({"variant": "v1.0", "lambda": {"from": 0.1, "to": 0.5, "step": 0.1}}).as_object().unwrap().clone(),
        );
        let lambdas = lambdas.unwrap().orders.iter().map(|order| order.spec.lambda).collect::<Vec<_>>();
        assert_eq!(lambdas, [0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(names(json!({"network": ["deep", "shallow"]})).unwrap().1.len(), 2);
        assert_eq!(names(json!({"seeds": [1, 2]})).unwrap().1.len(), 6, "no variant said: all three");
    }

    #[test]
    fn a_sweep_that_cannot_be_is_told_by_its_field() {
        for (field, bad) in [
            ("seed", json!({"seeds": []})),
            ("seed", json!({"seeds": [1, 1]})),
            ("seed", json!({"seeds": [1, -1]})),
            ("seed", json!({"seeds": {"from": 5, "to": 1}})),
            ("seed", json!({"seeds": {"from": 1, "to": 2, "step": 0.5}})),
            ("seed", json!({"seeds": {"from": 1, "until": 2}})),
            ("seed", json!({"variant": "v1.0", "seeds": {"from": 1, "to": 101}})),
            ("seed", json!({"variants": ["v1.0", "v1.1", "v1.2"], "seeds": {"from": 1, "to": 34}})),
            ("lr", json!({"lr": {"from": 0, "to": 1, "step": 0}})),
            ("lr", json!({"lr": {"from": 0, "to": 1, "step": 1e-300}})),
            ("seeds", json!({"seeds": [1], "seed": 1})),
            ("variant", json!({"variants": ["v1.0"], "variant": ["v1.0", "v1.1"]})),
            ("distance", json!({"variant": ["v1.0", "v1.1"], "distance": "root"})),
            ("dataset", json!({"dataset": {"from": 1, "to": 2}})),
            ("name", json!({"name": ["a", "b"]})),
        ] {
            assert_eq!(names(bad.clone()).unwrap_err().field, field, "{bad}");
        }
        let error = names(json!({"variants": ["v1.0", "v1.1", "v1.2"], "seeds": {"from": 1, "to": 34}})).unwrap_err();
        assert!(error.expected.contains("34 × 3 = 102 runs"), "{error}");
    }

    #[test]
    fn a_run_can_be_asked_for_again() {
        for request in [
            json!({"variant": "v1.1", "lambda": 0.25, "seed": 9, "name": "mine", "profile": "full"}),
            json!({"network": "shallow", "distance": "squared", "name": "x".repeat(120)}),
        ] {
            let first = plan(request.as_object().unwrap().clone()).unwrap().orders.remove(0);
            let again = again(&first.name, &first.spec);
            let again = plan(again).unwrap().orders.remove(0);
            assert_eq!((again.name, again.spec), (first.name, first.spec));
        }
    }
}
