//! The page of the REST interface, from its OpenAPI document.

use crate::openapi::REPEATS;
use askama::Template;
use serde_json::Value;

/// Every operation, readable without a network.
#[derive(Template)]
#[template(path = "api.html")]
pub(crate) struct ApiPage {
    operations: Vec<OperationView>,
    types: Vec<TypeView>,
    version: &'static str,
}

struct OperationView {
    id: String,
    method: String,
    path: String,
    summary: String,
    parameters: Vec<Row>,
    body: Vec<Row>,
    answers: Vec<Row>,
}

struct TypeView {
    name: String,
    help: String,
    fields: Vec<Row>,
}

/// A name, what it takes, and what it is.
struct Row {
    name: String,
    kind: String,
    /// The type that `kind` names, for a link.
    link: String,
    help: String,
}

impl ApiPage {
    /// The page of an OpenAPI document.
    pub(crate) fn new(document: &Value) -> ApiPage {
        let operations = entries(&document["paths"]).flat_map(|(path, item)| {
            entries(item).map(move |(method, operation)| operation_view(method, path, operation))
        });
        let types = entries(&document["components"]["schemas"]).map(|(name, schema)| TypeView {
            name: name.clone(),
            help: text(&schema["description"]),
            fields: fields(schema),
        });
        ApiPage { operations: operations.collect(), types: types.collect(), version: env!("CARGO_PKG_VERSION") }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

fn operation_view(method: &str, path: &str, operation: &Value) -> OperationView {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameter = |p: &Value| {
        let required = if p["required"] == true && p["in"] == "query" { "Required. " } else { "" };
        let several = if p[REPEATS] == true { " May be there several times." } else { "" };
        row(&text(&p["name"]), &p["schema"], &format!("{required}{}{several}", text(&p["description"])))
    };
    let answers = entries(&operation["responses"]).map(|(status, answer)| {
        let contents = entries(&answer["content"]).collect::<Vec<_>>();
        let kinds = contents.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>().join(", ");
        let link = contents.iter().map(|(_, content)| link(&content["schema"])).find(|link| !link.is_empty());
        Row { name: status.clone(), kind: kinds, link: link.unwrap_or_default(), help: text(&answer["description"]) }
    });
    OperationView {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.into(),
        summary: text(&operation["summary"]),
        parameters: parameters.map(parameter).collect(),
        body: fields(&operation["requestBody"]["content"]["application/json"]["schema"]),
        answers: answers.collect(),
    }
}

fn fields(schema: &Value) -> Vec<Row> {
    entries(&schema["properties"]).map(|(name, schema)| row(name, schema, &text(&schema["description"]))).collect()
}

fn row(name: &str, schema: &Value, help: &str) -> Row {
    Row { name: name.into(), kind: kind(schema), link: link(schema), help: help.into() }
}

/// The type that a schema refers to, itself or in a list.
fn link(schema: &Value) -> String {
    let own = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    own.map(String::from).unwrap_or_else(|| match &schema["items"] {
        Value::Null => {
            schema["anyOf"].as_array().into_iter().flatten().map(link).find(|l| !l.is_empty()).unwrap_or_default()
        }
        items => link(items),
    })
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().into();
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().map(kind).collect::<Vec<_>>().join(", or ");
    }
    if schema["const"] == "" {
        return "nothing".into();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(crate::text::plain).collect::<Vec<_>>().join(" | ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    };
    let range = match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => String::new(),
        (min, Value::Null) => format!(" from {min}"),
        (Value::Null, max) => format!(" to {max}"),
        (min, max) => format!(" from {min} to {max}"),
    };
    match types.as_str() {
        "array" if schema["items"].is_object() => format!("list of {}", kind(&schema["items"])),
        "object" if !schema["properties"].is_null() => {
            format!(
                "{{{}}}",
                entries(&schema["properties"]).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
            )
        }
        _ => format!("{types}{range}"),
    }
}
