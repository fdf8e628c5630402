//! The REST interface as an OpenAPI 3.1 document, and as a page.
//!
//! The answers' schemas are derived from the very types that the handlers serialize, the request's from the one table of
//! fields. What no type says – which addresses there are, and how they can fail – stands in [`operations`], and a test
//! holds that list against the router's.

mod builder;
mod operations;
mod requests;

use crate::error::Error;
use crate::pages::api::ApiPage;
use crate::parameters::Parameter;
use crate::views;
use axum::Json;
use axum::http::Method;
use axum::response::Response;
use builder::Api;
pub(crate) use builder::{Problem, REPEATS};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::OnceLock;

/// `GET /openapi.json`
pub(crate) async fn json() -> Json<&'static Value> {
    Json(document())
}

/// `GET /api`
pub(crate) async fn page() -> Result<Response, Error> {
    views::page(&ApiPage::new(document()))
}

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(build)
}

/// What the address of a route takes after its `?`; `None` where it isn't described.
pub(crate) fn parameters(method: &Method, route: &str) -> Option<&'static [Parameter]> {
    static KNOWN: OnceLock<HashMap<(String, String), Vec<Parameter>>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let operations = document()["paths"].as_object().into_iter().flatten().flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flatten()
                .map(move |(method, operation)| ((method.clone(), path.clone()), operation))
        });
        operations.map(|(key, operation)| (key, taken(operation))).collect()
    });
    let method = if *method == Method::HEAD { "get".into() } else { method.as_str().to_lowercase() };
    known.get(&(method, described(route))).map(Vec::as_slice)
}

fn taken(operation: &Value) -> Vec<Parameter> {
    let all = operation["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "query");
    let named = all.filter_map(|parameter| {
        Some(Parameter { name: parameter["name"].as_str()?.into(), repeats: parameter[REPEATS] == true })
    });
    named.collect()
}

/// A route as the document names it.
fn described(route: &str) -> String {
    route.replace("{*name}", "{name}").replace("{file}", "{index}.png")
}

fn build() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut api = Api { generator: settings.into_generator(), paths: Map::new() };
    operations::all(&mut api);
    let schemas = api.generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Centerscope",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Starts, watches, reads and compares training runs.",
            "description": "Times are milliseconds since 1970-01-01 UTC. Most addresses answer a browser with a page; ask with \
                `Accept: application/json` for what stands here. docs/api.md says what the types can't.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": api.paths,
        "components": {"schemas": schemas},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses of pages alone, and the files of the pages.
    const FOR_PEOPLE: [&str; 7] = ["/", "/compare", "/compare/replay", "/static/{*path}", "/api", "/login", "/logout"];

    #[test]
    fn every_route_is_described_with_its_methods() {
        let routes = include_str!("lib.rs").lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
        let mut known = Vec::new();
        for route in routes {
            let (path, methods) = route.split_once("\", ").unwrap();
            if FOR_PEOPLE.contains(&path) {
                continue;
            }
            let path = described(path);
            for method in
                ["get", "post", "patch", "delete"].into_iter().filter(|method| methods.contains(&format!("{method}(")))
            {
                assert!(document()["paths"][&path][method].is_object(), "{method} {path} is not described");
                known.push(format!("{method} {path}"));
            }
        }
        for (path, item) in document()["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                assert!(known.contains(&format!("{method} {path}")), "{method} {path} is described and not there");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(object) => {
                    found.extend(object.get("$ref").and_then(Value::as_str).map(String::from));
                    object.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        references(document(), &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document().pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    }
}
