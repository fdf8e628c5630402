//! From JSON or text to the fields of a request, whatever they say.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::fmt;
use trainer::spec::{Kind, field};

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
/// and again, and numbers are numbers: one, several (`1, 2, 3`) or a range (`1..5`, `0.1..0.5 step 0.1`).
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
        let value = match field(if name == "seeds" { "seed" } else { &name }).map(|f| f.kind) {
            Some(Kind::Whole { .. } | Kind::Number { .. }) => numbers(text),
            // Of a fork: not a field of a spec.
            None if name == "epoch" => numbers(text),
            _ => text.into(),
        };
        request.insert(name, value);
    }
    request
}

/// What a text with one or several numbers stands for; the text itself where it is neither, so that an error can quote it.
fn numbers(text: &str) -> Value {
    let number = |text: &str| {
        let text = text.trim();
        text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from)).ok()
    };
    if let Some((from, rest)) = text.split_once("..") {
        let (to, step) = rest.split_once("step").map_or((rest, None), |(to, step)| (to, Some(step)));
        let (from, to, step) = (number(from), number(to), step.map_or(Some(json!(1)), number));
        return match (from, to, step) {
            (Some(from), Some(to), Some(step)) => json!({"from": from, "to": to, "step": step}),
            _ => text.into(),
        };
    }
    if text.contains(',') {
        let several = text.split(',').map(number).collect::<Option<Vec<_>>>();
        return several.map_or_else(|| text.into(), Value::Array);
    }
    number(text).unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let several =
            [("seed", "1..5"), ("lambda", "0.1, 1,10"), ("lr", "0..1 step 0.5"), ("epochs", "1,x"), ("width", "1..")];
        let request = from_text(several.map(|(a, b)| (a.into(), b.into())));
        let range = |from: u32, to: u32, step: Value| json!({"from": from, "to": to, "step": step});
        let expected = json!({"seed": range(1, 5, json!(1)), "lambda": [0.1, 1, 10], "lr": range(0, 1, json!(0.5)),
            "epochs": "1,x", "width": "1.."});
        assert_eq!(Value::Object(request), expected);
    }
}
