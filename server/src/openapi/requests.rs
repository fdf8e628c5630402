//! The schemas of what is sent to the server, from the table of fields.

use crate::edit;
use crate::scheduler::QUEUE;
use serde_json::{Map, Value, json};
use trainer::spec::{FIELDS, Field, Kind, Variant, field};

/// The schema of an edit.
pub(super) fn edit_request() -> Value {
    let text = |most: usize| json!({"type": "string", "maxLength": most});
    let tags = json!({"type": "array", "items": text(edit::TAG_CHARS), "maxItems": edit::MOST_TAGS});
    let name = field("name").map(property).unwrap_or_default();
    let properties =
        json!({"name": name, "tags": tags, "notes": text(edit::NOTES_CHARS), "archived": {"type": "boolean"}});
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// The schema of an image in JSON.
pub(super) fn pixels() -> Value {
    let pixel = json!({"type": "integer", "minimum": 0, "maximum": 255});
    let properties = json!({"pixels": {"type": "array", "items": pixel, "maxItems": 128 * 128}});
    json!({"type": "object", "properties": properties, "required": ["pixels"]})
}

/// The schema of a request, from the table of fields.
pub(super) fn request() -> Value {
    let mut properties = FIELDS.iter().map(|field| (field.name.into(), property(field))).collect::<Map<_, _>>();
    let several = json!({"type": "array", "items": {"enum": Variant::WORDS}, "minItems": 1, "maxItems": 6, "description": "Several variants side by side."});
    properties.insert("variants".into(), several);
    if let Some(seed) = FIELDS.iter().find(|field| field.name == "seed") {
        properties.insert("seeds".into(), described(several_of(seed), "Several seeds: a sweep."));
    }
    let beside = |a: &str, b: &str| json!({"not": {"required": [a, b]}});
    json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "allOf": [beside("seed", "seeds"), beside("variant", "variants")],
    })
}

/// The body of a fork: an epoch, and fields of a run, each with one value.
pub(super) fn fork_request() -> Value {
    let properties = FIELDS.iter().map(|field| (field.name.into(), described(single(field), field.help)));
    let mut properties = properties.collect::<Map<_, _>>();
    let epoch = json!({"type": "integer", "minimum": 1, "maximum": u32::MAX});
    properties.insert("epoch".into(), described(epoch, "An epoch whose checkpoint is kept."));
    json!({"type": "object", "properties": properties, "required": ["epoch"], "additionalProperties": false})
}

fn described(mut schema: Value, help: &str) -> Value {
    schema["description"] = json!(help);
    schema
}

fn property(field: &Field) -> Value {
    match field.kind {
        Kind::Text { .. } => described(single(field), field.help),
        _ => described(several_of(field), field.help),
    }
}

/// One value of a field, or several.
fn several_of(field: &Field) -> Value {
    let single = single(field);
    json!({"anyOf": [single.clone(), values(field, &single)]})
}

/// Several values of a field: a list, or a range of numbers.
fn values(field: &Field, single: &Value) -> Value {
    let list = json!({"type": "array", "items": single, "minItems": 1, "maxItems": QUEUE, "uniqueItems": true});
    match field.kind {
        Kind::Whole { .. } | Kind::Number { .. } => {
            let range = json!({
                "type": "object",
                "properties": {"from": single, "to": single, "step": {"type": "number", "exclusiveMinimum": 0}},
                "required": ["from", "to"],
                "additionalProperties": false,
            });
            json!({"anyOf": [list, range]})
        }
        _ => list,
    }
}

fn single(field: &Field) -> Value {
    match field.kind {
        Kind::Whole { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
        Kind::Word(words) => json!({"enum": words}),
        // At least one character that isn't a space, and no control character.
        Kind::Text { max_chars } => {
            json!({"type": "string", "minLength": 1, "maxLength": max_chars, "pattern": "^[^\\\\p{Cc}]*[^\\\\s\\\\p{Cc}][^\\\\p{Cc}]*$"})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_says_what_the_table_of_fields_says() {
        let request = request();
        assert_eq!(
            request["properties"]["epochs"]["anyOf"][0],
            json!({"type": "integer", "minimum": 1, "maximum": 1000})
        );
        assert!(FIELDS.iter().all(|field| request["properties"][field.name]["description"] == field.help));
    }
}
