//! Fields with several values, and every combination of them.

use crate::scheduler::QUEUE;
use serde_json::{Map, Value, json};
use trainer::spec::{Field, Kind, SpecError, field};

/// A field and the values it goes through.
pub(super) struct Axis {
    pub(super) field: &'static Field,
    pub(super) values: Vec<Value>,
}

/// Takes the fields with several values out of the request.
pub(super) fn take_axes(request: &mut Map<String, Value>) -> Result<Vec<Axis>, SpecError> {
    if let Some(seeds) = request.remove("seeds") {
        if request.contains_key("seed") {
            return Err(SpecError::new("seeds", seeds, "nothing beside seed: leave out one of the two"));
        }
        // One seed under that name is meant as a list, too.
        request.insert("seed".into(), if seeds.is_u64() { json!([seeds]) } else { seeds });
    }
    let several = |name: &str, value: &Value| {
        let field = field(name).filter(|f| !matches!(f.kind, Kind::Text { .. }))?;
        matches!(value, Value::Array(_) | Value::Object(_)).then_some(field)
    };
    let found = request.iter().filter_map(|(name, value)| several(name, value));
    let found = found.collect::<Vec<_>>();
    let axes = found.into_iter().map(|field| {
        let value = request.remove(field.name).unwrap_or_default();
        Ok(Axis { field, values: values_of(field, &value)? })
    });
    axes.collect()
}

/// The values that a list or a range stands for.
fn values_of(field: &Field, several: &Value) -> Result<Vec<Value>, SpecError> {
    let wrong = |expected: String| SpecError::new(field.name, several.clone(), expected);
    let values = match several {
        Value::Array(values) => values.clone(),
        range => range_of(field, range).ok_or_else(|| {
            wrong(format!(
                "{}, a list of such, or a range like {{\"from\": 1, \"to\": 5, \"step\": 1}} of at most {QUEUE} numbers",
                field.expected()
            ))
        })?,
    };
    if values.is_empty() || values.len() > QUEUE {
        return Err(wrong(format!("a list of 1 to {QUEUE} values")));
    }
    for (i, value) in values.iter().enumerate() {
        field.check(value)?;
        if values[..i].contains(value) {
            return Err(wrong(format!("each value once, but {value} comes again")));
        }
    }
    Ok(values)
}

/// `{"from", "to", "step"}`, both ends included where the steps meet them; `step` is 1 unless it is said.
fn range_of(field: &Field, range: &Value) -> Option<Vec<Value>> {
    let range = range.as_object().filter(|r| r.keys().all(|key| matches!(key.as_str(), "from" | "to" | "step")))?;
    let number = |key: &str| range.get(key).and_then(Value::as_f64);
    let (from, to) = (number("from")?, number("to")?);
    let step = if range.contains_key("step") { number("step")? } else { 1.0 };
    // Whatever rounding does to the last step, it is still meant.
    let steps = ((to - from) / step + 1e-9).floor();
    if step <= 0.0 || !(0.0..QUEUE as f64).contains(&steps) {
        return None;
    }
    (0..=steps as u32)
        .map(|i| {
            // Twelve digits: 0.1 + 2 · 0.1 is meant as 0.3.
            let value = format!("{:.11e}", from + f64::from(i) * step).parse::<f64>().ok()?;
            match field.kind {
                Kind::Whole { .. } => (value.fract() == 0.0 && value >= 0.0).then(|| json!(value as u64)),
                Kind::Number { .. } => Some(json!(value)),
                Kind::Word(_) | Kind::Text { .. } => None,
            }
        })
        .collect()
}

pub(super) fn check_size(axes: &[Axis]) -> Result<(), SpecError> {
    let count = axes.iter().map(|axis| axis.values.len()).fold(1, usize::saturating_mul);
    let longest = axes.iter().max_by_key(|axis| axis.values.len());
    if let Some(longest) = longest.filter(|_| count > QUEUE) {
        let product = axes.iter().map(|axis| axis.values.len().to_string()).collect::<Vec<_>>().join(" × ");
        let expected = format!("fewer values: {product} = {count} runs, and a sweep holds at most {QUEUE}");
        return Err(SpecError::new(longest.field.name, json!(longest.values), expected));
    }
    Ok(())
}

/// Every combination of the axes' values; the first axis changes last.
pub(super) fn combinations(axes: &[Axis]) -> Vec<Vec<(&'static Field, &Value)>> {
    axes.iter().fold(vec![Vec::new()], |all, axis| {
        let with = |one: &Vec<_>| {
            let one = one.clone();
            axis.values.iter().map(move |value| [one.clone(), vec![(axis.field, value)]].concat())
        };
        all.iter().flat_map(with).collect()
    })
}
