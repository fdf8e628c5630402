//! From the body of `POST /runs`, the home page's form or the command line to the runs that are meant.

use crate::scheduler::Order;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;
use trainer::device;
use trainer::spec::{DeviceChoice, Kind, Profile, RunSpec, SpecError, Variant, field};

/// Runs in one comparison at most.
const MOST: usize = 6;

/// What a request amounts to.
#[derive(Debug)]
pub struct Plan {
    /// The runs, in order.
    pub orders: Vec<Order>,
    /// Whether they belong together.
    pub comparison: bool,
}

/// Reads a request: one run where it names a variant or its parts, a comparison where it names `variants` or nothing.
///
/// # Errors
/// Names the field, its value and what is expected.
pub fn plan(mut request: Map<String, Value>) -> Result<Plan, SpecError> {
    let variants = match request.remove("variants") {
        Some(_) if request.contains_key("variant") => {
            let value = request["variant"].clone();
            return Err(SpecError::new("variant", value, "nothing beside variants: leave out one of the two"));
        }
        Some(list) => Some(variant_list(&list)?),
        None if ["variant", "network", "distance"].iter().any(|part| request.contains_key(*part)) => None,
        None => Some(Variant::ALL.to_vec()),
    };
    let Some(variants) = variants else {
        return Ok(Plan { orders: vec![order(&request, false)?], comparison: false });
    };
    let orders = variants.iter().map(|variant| {
        request.insert("variant".into(), json!(variant));
        order(&request, true)
    });
    Ok(Plan { orders: orders.collect::<Result<_, _>>()?, comparison: true })
}

fn variant_list(list: &Value) -> Result<Vec<Variant>, SpecError> {
    let words = list.as_array().filter(|words| (1..=MOST).contains(&words.len()));
    let variants = words.and_then(|words| words.iter().map(|w| Variant::from_word(w.as_str()?)).collect());
    variants.ok_or_else(|| {
        let expected = format!("a list of 1 to {MOST} of {}", Variant::WORDS.join(", "));
        SpecError::new("variants", list.clone(), expected)
    })
}

fn order(request: &Map<String, Value>, of_several: bool) -> Result<Order, SpecError> {
    let asked = request.get("device").and_then(Value::as_str).and_then(DeviceChoice::from_word);
    let spec = RunSpec::from_request(request, default_profile(asked.unwrap_or(DeviceChoice::Auto)))?;
    device::check(spec.device).map_err(|reason| {
        SpecError::new("device", json!(spec.device), format!("a device that can be used here ({reason})"))
    })?;
    let name = match request.get("name").and_then(Value::as_str) {
        Some(name) if of_several => format!("{name} · {}", spec.label()),
        Some(name) => name.into(),
        None => format!("{} seed {}", spec.label(), spec.seed),
    };
    Ok(Order { name, spec })
}

/// The original numbers where a GPU carries them, minutes' worth of work elsewhere.
fn default_profile(choice: DeviceChoice) -> Profile {
    match device::select(choice) {
        Ok(device) if !device.is_cpu() => Profile::Full,
        _ => Profile::Quick,
    }
}

/// A request from a JSON object. A field that is there twice is an error: readers of JSON disagree on which one counts
/// (RFC 8259, section 4), and a run must not depend on that.
///
/// # Errors
/// Says what is wrong, and where.
pub fn from_json(body: &[u8]) -> serde_json::Result<Map<String, Value>> {
    struct Fields(Map<String, Value>);

    impl<'de> Deserialize<'de> for Fields {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
            deserializer.deserialize_map(Fields(Map::new()))
        }
    }

    impl<'de> Visitor<'de> for Fields {
        type Value = Fields;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object like {\"variant\": \"v1.0\"}")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Fields, A::Error> {
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                if self.0.insert(name.clone(), value).is_some() {
                    return Err(A::Error::custom(format_args!("the field `{name}` is there twice")));
                }
            }
            Ok(self)
        }
    }

    serde_json::from_slice::<Fields>(body).map(|fields| fields.0)
}

/// A request from pairs of text, as a form or a command line gives them: empty means absent, `variants` may come again
/// and again, and numbers are numbers.
pub fn from_text(pairs: impl IntoIterator<Item = (String, String)>) -> Map<String, Value> {
    let mut request = Map::new();
    for (name, text) in pairs.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
        if name == "variants" {
            if let Value::Array(list) = request.entry(name).or_insert_with(|| json!([])) {
                list.push(text.into());
            }
            continue;
        }
        let text = text.trim();
        let number = || text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from));
        let value = match field(&name).map(|f| f.kind) {
            Some(Kind::Whole { .. } | Kind::Number { .. }) => number().unwrap_or_else(|_| text.into()),
            _ => text.into(),
        };
        request.insert(name, value);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(request: Value) -> Result<(bool, Vec<String>), SpecError> {
        let plan = plan(request.as_object().unwrap().clone())?;
        Ok((plan.comparison, plan.orders.into_iter().map(|o| o.name).collect()))
    }

    #[test]
    fn nothing_said_means_all_three_variants() {
        let all = ["V1.0 seed 7", "V1.1 seed 7", "V1.2 seed 7"].map(String::from).to_vec();
        assert_eq!(names(json!({"seed": 7})).unwrap(), (true, all));
        assert_eq!(names(json!({"variant": "v1.1"})).unwrap(), (false, vec!["V1.1 seed 1".into()]));
        assert_eq!(names(json!({"network": "shallow"})).unwrap(), (false, vec!["shallow · squared seed 1".into()]));
        let two = names(json!({"variants": ["v1.2", "v1.0"], "name": "mine"})).unwrap();
        assert_eq!(two, (true, vec!["mine · V1.2".into(), "mine · V1.0".into()]));
    }

    #[test]
    fn a_wrong_list_is_told_by_its_field() {
        for bad in [json!([]), json!("v1.0"), json!(["v9"]), json!([1]), json!(vec!["v1.0"; 7])] {
            assert_eq!(names(json!({"variants": bad})).unwrap_err().field, "variants");
        }
        assert_eq!(names(json!({"variants": ["v1.0"], "variant": "v1.0"})).unwrap_err().field, "variant");
    }

    #[test]
    fn a_field_counts_once() {
        assert_eq!(from_json(b"{\"seed\": 1, \"epochs\": 2}").unwrap().len(), 2);
        let twice = from_json(b"{\"seed\": 1, \"seed\": 1}").unwrap_err().to_string();
        assert!(twice.contains("`seed` is there twice"), "{twice}");
        assert!(from_json(b"[]").unwrap_err().to_string().contains("expected an object"));
    }

    #[test]
    fn a_form_is_read_like_json() {
        let pairs =
            [("epochs", "3"), ("lr", "0.5"), ("name", " a "), ("seed", ""), ("variants", "v1.0"), ("width", "x")];
        let request = from_text(pairs.map(|(a, b)| (a.into(), b.into())));
        let expected = json!({"epochs": 3, "lr": 0.5, "name": "a", "variants": ["v1.0"], "width": "x"});
        assert_eq!(Value::Object(request), expected);
    }
}
