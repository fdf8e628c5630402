//! The REST interface as an OpenAPI 3.1 document, and as a page.
//!
//! The answers' schemas are derived from the very types that the handlers serialize, the request's from the one table of
//! fields. What no type says – which addresses there are, and how they can fail – stands in [`operations`], and a test
//! holds that list against the router's.

use crate::alignment::Aligned;
use crate::claims::{self, ClaimsAnswer};
use crate::diff::Diff;
use crate::error::Error;
use crate::estimate::Planned;
use crate::pages::api::ApiPage;
use crate::scheduler::QUEUE;
use crate::series::{MOST_POINTS, Thinned};
use crate::state::{RunState, Summary};
use crate::sweeps::{Grouped, Stopped};
use crate::{api, artifacts, edit, lifecycle, predict, table, views};
use axum::Json;
use axum::response::Response;
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;
use trainer::measure::METRICS;
use trainer::spec::{FIELDS, Field, Kind, Variant, field};

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

/// A failure (RFC 9457).
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Problem {
    /// `about:blank`
    r#type: String,
    /// The status in words.
    title: String,
    /// HTTP's status.
    status: u16,
    /// What went wrong, and what to do.
    detail: String,
    /// The field at fault, where it is one.
    field: Option<String>,
    /// The value that it held.
    value: Option<Value>,
    /// What it takes.
    expected: Option<String>,
}

fn build() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut api = Api { generator: settings.into_generator(), paths: Map::new() };
    operations(&mut api);
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

/// The document as it grows.
struct Api {
    generator: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Api {
    fn get(&mut self, path: &str, summary: &str) -> Operation<'_> {
        self.add("get", path, summary)
    }

    fn post(&mut self, path: &str, summary: &str) -> Operation<'_> {
        self.add("post", path, summary)
    }

    fn patch(&mut self, path: &str, summary: &str) -> Operation<'_> {
        self.add("patch", path, summary)
    }

    fn add(&mut self, method: &str, path: &str, summary: &str) -> Operation<'_> {
        let item = self.paths.entry(path).or_insert_with(|| json!({}));
        let id = format!("{method}{}", path.replace(['/', '-', '.'], "_").replace(['{', '}', '*'], ""));
        item[method] = json!({"operationId": id, "summary": summary, "responses": {}});
        let operation = &mut item[method];
        let mut operation = Operation { generator: &mut self.generator, value: operation };
        // What stands before every address: who asks, for which host, and how often.
        operation = operation
            .fails(401, "a token is needed")
            .fails(421, "not meant for this host name")
            .fails(429, "too many requests, or a full queue");
        if method != "get" {
            operation = operation
                .fails(403, "asked for by a page of another site, or with a token that only reads")
                .fails(408, "the body came too slowly")
                .fails(413, "the body is larger than 64 KiB");
        }
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            operation = operation.path_parameter(name);
        }
        operation
    }
}

/// One operation as it grows.
struct Operation<'a> {
    generator: &'a mut SchemaGenerator,
    value: &'a mut Value,
}

impl Operation<'_> {
    fn path_parameter(self, name: &str) -> Self {
        let (schema, help) = match name {
            "id" => (json!({"type": "string", "format": "uuid"}), "Its id: a UUID in lower case, with hyphens."),
            "epoch" => (json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}), "An epoch, from 1."),
            "set" => (json!({"enum": ["mnist", "generated"]}), "The data set."),
            "split" => (json!({"enum": ["train", "test"]}), "The split."),
            "index" => (json!({"type": "integer", "minimum": 0, "maximum": 59_999}), "The image, from 0."),
            _ => (json!({"type": "string", "minLength": 1, "maxLength": 200}), "Its name."),
        };
        self.parameter("path", name, schema, help)
    }

    fn query(self, name: &str, schema: Value, help: &str) -> Self {
        self.parameter("query", name, schema, help)
    }

    fn parameter(self, place: &str, name: &str, schema: Value, help: &str) -> Self {
        let required = place == "path" || name == "runs";
        let parameter = json!({"in": place, "name": name, "required": required, "schema": schema, "description": help});
        match &mut self.value["parameters"] {
            Value::Array(parameters) => parameters.push(parameter),
            none => *none = json!([parameter]),
        }
        self
    }

    fn body(self, schema: &Value, help: &str) -> Self {
        self.value["requestBody"] = json!({"description": help, "content": {"application/json": {"schema": schema}}});
        self
    }

    /// Answers with a type that a handler serializes.
    fn gives<T: JsonSchema>(self, status: u16, help: &str) -> Self {
        let schema = self.generator.subschema_for::<T>();
        self.answers(status, "application/json", json!(schema), help)
    }

    fn answers(self, status: u16, content_type: &str, schema: Value, help: &str) -> Self {
        let answer = &mut self.value["responses"][status.to_string()];
        if answer.is_null() {
            *answer = json!({"description": help});
        }
        answer["content"][content_type] = json!({"schema": schema});
        self
    }

    fn gives_nothing(self, status: u16, help: &str) -> Self {
        self.value["responses"][status.to_string()] = json!({"description": help});
        self
    }

    /// Answers a browser with a page, too.
    fn or_page(self) -> Self {
        self.answers(200, "text/html", json!({"type": "string"}), "")
    }

    fn fails(self, status: u16, help: &str) -> Self {
        let schema = self.generator.subschema_for::<Problem>();
        self.answers(status, "application/problem+json", json!(schema), help)
    }

    fn no_run(self) -> Self {
        self.fails(404, "there is no run of that id")
    }
}

/// Every address for programs.
fn operations(api: &mut Api) {
    let binary = || json!({"type": "string", "contentEncoding": "binary"});
    let text = || json!({"type": "string"});
    let ids = |most: usize| {
        let id = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        json!({"type": "string", "pattern": format!("^{id}(,{id}){{0,{}}}$", most - 1)})
    };
    let points = || json!({"type": "integer", "minimum": 1, "maximum": MOST_POINTS});
    let metric = || json!({"enum": METRICS.iter().map(|m| m.name).collect::<Vec<_>>()});
    let request = request();

    for (path, summary) in [
        ("/runs", "Start a run, a comparison or a sweep"),
        ("/runs/plan", "What a request would start, and how long it would take"),
    ] {
        let operation =
            api.post(path, summary).body(&request, "Every field is optional; none at all means the three variants.");
        let operation = operation
            .fails(400, "malformed JSON, or not an object")
            .fails(415, "not JSON")
            .fails(422, "a field's value, alone or beside the others");
        if path == "/runs" {
            let operation = operation.fails(503, "the server is shutting down");
            operation.gives::<api::Started>(201, "started; Location leads to the page");
        } else {
            operation.gives::<Planned>(200, "what would start");
        }
    }
    api.get("/runs", "The runs that a query lets through, newest first unless said")
        .query("query", text(), "The query language of docs/api.md.")
        .query("sort", text(), "A field, with `-` before it for the largest first.")
        .query("cursor", text(), "`next` of the page before.")
        .query("offset", json!({"type": "integer", "minimum": 0}), "How many to leave out.")
        .query("limit", json!({"type": "integer", "minimum": 1}), "How many runs a page holds.")
        .query("ids", text(), "Only these, joined by commas.")
        .query("format", json!({"enum": ["json", "ids", "csv"]}), "JSON unless said.")
        .query("columns", text(), "Fields joined by commas, for CSV.")
        .gives::<table::Listed<'_>>(200, "the runs")
        .answers(200, "text/csv; charset=utf-8", text(), "")
        .or_page()
        .fails(400, "an unknown field or format, a query that makes no sense, or not a cursor");
    api.get("/runs/fields", "What a query can ask for").answers(
        200,
        "application/json",
        json!({"type": "object"}),
        "the fields",
    );
    api.get("/runs/facets", "How many runs there are of each kind")
        .query("query", text(), "Counted among these.")
        .answers(200, "application/json", json!({"type": "object"}), "the counts")
        .fails(400, "a query that makes no sense");
    api.get("/runs/check", "What is wrong with a query").query("query", text(), "The query.").answers(
        200,
        "application/json",
        json!({"type": "object"}),
        "`error` is null where nothing is",
    );
    api.patch("/runs/{id}", "Rename, tag, annotate or archive a run")
        .body(&edit_request(), "What changes; the rest stays.")
        .gives::<Summary>(200, "as it is now")
        .fails(400, "malformed JSON, or not an object")
        .fails(415, "not JSON")
        .fails(422, "a field's value")
        .no_run();
    api.get("/events/summaries", "The runs that changed, came or went, in one stream")
        .query("after", text(), "A position; now unless said.")
        .answers(200, "text/event-stream", text(), "summaries as they are now")
        .fails(400, "not a position");
    api.post("/runs/{id}/predict", "What a run's network says of an image")
        .query("epoch", json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}), "The newest unless said.")
        .query("drawing", json!({"enum": [1]}), "The body is a square drawing, to be brought into MNIST's layout.")
        .body(&pixels(), "28 × 28 grey pixels, row by row; also as application/octet-stream.")
        .gives::<predict::Answer>(200, "embedding, probabilities, nearest test images")
        .fails(400, "malformed JSON, or an unknown parameter")
        .fails(415, "neither JSON nor bytes")
        .fails(422, "no image")
        .fails(404, "no such run, or no checkpoint kept at or before the epoch")
        .fails(500, "the checkpoint is damaged")
        .fails(503, "the server is shutting down");
    api.get("/runs/{id}", "All that is known of a run").gives::<RunState>(200, "its state").or_page().no_run();
    api.post("/runs/{id}/stop", "Stop a run; one that is over stays as it is")
        .gives::<Summary>(202, "stopped, or about to be")
        .no_run();
    api.post("/runs/{id}/resume", "Go on with a run that is over from its newest whole checkpoint")
        .gives::<Summary>(202, "queued; one that isn't over stays as it is")
        .fails(409, "the run has finished")
        .fails(503, "the server is shutting down")
        .no_run();
    api.post("/runs/{id}/fork", "Start a run from a checkpoint of another, with other values")
        .body(&fork_request(), "The epoch, and the fields that differ.")
        .gives::<api::Started>(201, "started; Location leads to the comparison of both")
        .fails(400, "malformed JSON, or not an object")
        .fails(415, "not JSON")
        .fails(422, "no checkpoint of that epoch is kept, or a field's value")
        .fails(503, "the server is shutting down")
        .no_run();
    for (method, path) in [("delete", "/runs/{id}"), ("post", "/runs/{id}/delete")] {
        api.add(method, path, "Move a run that is over to the trash")
            .gives_nothing(204, "it is in the trash")
            .fails(403, "asked for by a page of another site, or with a token that only reads")
            .fails(409, "the run is waiting or training")
            .no_run();
    }
    api.post("/runs/{id}/restore", "Bring a run back from the trash")
        .gives::<Summary>(200, "it is back")
        .fails(409, "another run of that id has taken its place")
        .no_run();
    api.get("/trash", "The runs in the trash, last deleted first").gives::<lifecycle::Trash>(200, "the runs");
    api.get("/runs/{id}/metrics", "Metrics by epoch")
        .query("format", json!({"enum": ["json", "csv"]}), "Otherwise as `Accept` says.")
        .query("points", points(), "Few points of each series instead of all epochs.")
        .gives::<api::MetricsAnswer>(200, "one row an epoch, or each series in few points")
        .answers(200, "text/csv; charset=utf-8", text(), "")
        .fails(400, "an unknown format")
        .no_run();
    api.get("/runs/{id}/embeddings/{epoch}", "The embedding after an epoch")
        .query("split", json!({"enum": ["train", "test"]}), "Test unless said.")
        .query("format", json!({"enum": ["compact", "npy"]}), "4 bytes a point unless said.")
        .answers(200, "application/octet-stream", binary(), "the points; point i is image i")
        .fails(400, "an unknown split or format")
        .fails(404, "no such run, or no such epoch yet");
    api.get("/runs/{id}/artifacts", "A run's files").gives::<artifacts::Artifacts>(200, "the files").no_run();
    api.get("/runs/{id}/artifacts/{name}", "A file of a run")
        .answers(200, "*/*", json!(true), "the file; Range and If-None-Match are understood")
        .fails(404, "no such run or file")
        .fails(416, "the file has no such range");
    api.get("/runs/{id}/archive", "A whole run as .tar.gz")
        .answers(200, "application/gzip", binary(), "the archive")
        .no_run();
    api.get("/runs/{id}/events", "A run's events, live, as server-sent events")
        .query(
            "after",
            json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            "The last event that is known; `Last-Event-ID` goes first.",
        )
        .answers(200, "text/event-stream", text(), "one line of the log an event")
        .fails(400, "not a position")
        .no_run();
    api.get("/events", "The events of several runs in one stream")
        .query("runs", ids(16), "1 to 16 ids joined by commas.")
        .query(
            "after",
            json!({"type": "string", "pattern": "^[0-9]{1,9}(\\\\.[0-9]{1,9}){0,15}$"}),
            "A position for each run, joined by dots.",
        )
        .answers(200, "text/event-stream", text(), "the lines of the logs, each with its run")
        .fails(400, "no or too many runs, or not a position")
        .no_run();
    for (path, what) in [("/sweeps/{id}", "A sweep by groups"), ("/groups", "Any runs by groups")] {
        let operation = api.get(path, what);
        let operation = if path == "/groups" {
            operation.query("runs", ids(QUEUE), "1 to 100 ids joined by commas.")
        } else {
            operation
        };
        operation
            .query(
                "by",
                json!({"type": "string", "examples": ["variant,lambda"]}),
                "Fields joined by commas; all that differ but the seed unless said.",
            )
            .query("metric", metric(), "The metric of the curves: test_accuracy unless said.")
            .gives::<Grouped>(200, "the groups and the runs")
            .or_page()
            .fails(400, "an unknown field or metric")
            .fails(404, "no such sweep or run");
    }
    api.post("/sweeps/{id}/stop", "Stop those of a sweep's runs that aren't over")
        .gives::<Stopped>(202, "stopped, or about to be")
        .fails(404, "there is no sweep of that id");
    api.get("/claims", "The shipped claims, or the one described, and what the runs say of them")
        .query(
            "field",
            json!({"enum": claims::fields().collect::<Vec<_>>()}),
            "The field in which A and B differ; without it the shipped claims are tested.",
        )
        .query("a", text(), "A's value.")
        .query("b", text(), "B's value.")
        .query("metric", metric(), "The metric.")
        .query("at", json!({"enum": ["reach", "best", "last"]}), "Where it is read.")
        .query("threshold", json!({"type": "number"}), "What has to be reached, where `at` is reach.")
        .query("direction", json!({"enum": ["lower", "higher"]}), "Which way A differs; the better way unless said.")
        .query(
            "sweep",
            json!({"type": "string", "format": "uuid"}),
            "Only this sweep's runs; else the newest 200 that finished.",
        )
        .gives::<ClaimsAnswer>(200, "the claims, each with its pairs and its verdict")
        .or_page()
        .fails(400, "a claim that makes no sense")
        .fails(404, "there is no sweep of that id");
    api.get("/diff", "Several runs side by side")
        .query("runs", ids(6), "1 to 6 ids joined by commas.")
        .query(
            "at",
            json!({"anyOf": [{"enum": ["last", "best"]}, {"type": "integer", "minimum": 1, "maximum": u32::MAX}]}),
            "Where metrics are read: last unless said.",
        )
        .gives::<Diff>(200, "settings, circumstances, metrics and confusion matrices")
        .or_page()
        .fails(400, "no or too many runs, or no such place")
        .no_run();
    api.get("/data/{set}/labels/{split}", "The true labels of a data set")
        .answers(200, "application/octet-stream", binary(), "one byte an image, 0 to 9")
        .fails(404, "not on this machine");
    api.get("/data/{set}/images/{split}/{index}.png", "An image of a data set")
        .path_parameter("index")
        .answers(200, "image/png", binary(), "28×28 grey pixels")
        .fails(404, "not on this machine, or no such image");
    api.get("/data/{set}/sheet/{split}", "Several images of a data set in one picture, row by row")
        .query("indices", json!({"type": "string", "pattern": "^[0-9]{1,5}(,[0-9]{1,5}){0,255}$"}), "1 to 256 images.")
        .answers(200, "image/png", binary(), "28 × 28 pixels each")
        .fails(400, "no such list")
        .fails(404, "no such image, or the set is not on this machine");
    api.get("/compare/alignment", "How the planes of several runs are laid over one of them")
        .query("runs", ids(6), "1 to 6 ids joined by commas.")
        .query("reference", json!({"type": "string"}), "The run that the others are laid over: the first unless said.")
        .query("epoch", json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}), "Every epoch unless said.")
        .gives::<Aligned>(200, "a map for each run at each epoch")
        .fails(400, "no or too many runs, or a reference that is none of them")
        .no_run();
    api.get("/metrics-table", "What each metric means").gives::<api::MetricsKnown>(200, "the metrics");
    api.get("/runs/{id}/progress", "The losses and the speed between epochs, in few points")
        .query("points", points(), "1000 unless said.")
        .gives::<Thinned>(200, "each series in few points")
        .fails(400, "not such a number")
        .no_run();
    api.get("/readyz", "Whether runs can be started")
        .answers(200, "text/plain; charset=utf-8", text(), "ready")
        .fails(503, "shutting down, or the disk is full");
    api.get("/metrics", "What operators watch, for Prometheus").answers(
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        text(),
        "the exposition format",
    );
    api.get("/healthz", "Whether the server is up").answers(200, "text/plain; charset=utf-8", text(), "ok");
    api.get("/openapi.json", "This document").answers(
        200,
        "application/json",
        json!({"type": "object"}),
        "this document",
    );
}

/// The schema of an edit.
fn edit_request() -> Value {
    let text = |most: usize| json!({"type": "string", "maxLength": most});
    let tags = json!({"type": "array", "items": text(edit::TAG_CHARS), "maxItems": edit::MOST_TAGS});
    let name = field("name").map(property).unwrap_or_default();
    let properties =
        json!({"name": name, "tags": tags, "notes": text(edit::NOTES_CHARS), "archived": {"type": "boolean"}});
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// The schema of an image in JSON.
fn pixels() -> Value {
    let pixel = json!({"type": "integer", "minimum": 0, "maximum": 255});
    let properties = json!({"pixels": {"type": "array", "items": pixel, "maxItems": 128 * 128}});
    json!({"type": "object", "properties": properties, "required": ["pixels"]})
}

/// The schema of a request, from the table of fields.
fn request() -> Value {
    let mut properties = FIELDS.iter().map(|field| (field.name.into(), property(field))).collect::<Map<_, _>>();
    let several = json!({"type": "array", "items": {"enum": Variant::WORDS}, "minItems": 1, "maxItems": 6, "description": "Several variants side by side."});
    properties.insert("variants".into(), several);
    if let Some(seed) = FIELDS.iter().find(|field| field.name == "seed") {
        properties.insert("seeds".into(), described(values(seed, &single(seed)), "Several seeds: a sweep."));
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
fn fork_request() -> Value {
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
    let single = single(field);
    match field.kind {
        Kind::Text { .. } => described(single, field.help),
        _ => described(json!({"anyOf": [single.clone(), values(field, &single)]}), field.help),
    }
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
            let path = path.replace("{*name}", "{name}").replace("{file}", "{index}.png");
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
    fn the_request_says_what_the_table_of_fields_says() {
        let request = request();
        assert_eq!(
            request["properties"]["epochs"]["anyOf"][0],
            json!({"type": "integer", "minimum": 1, "maximum": 1000})
        );
        assert!(FIELDS.iter().all(|field| request["properties"][field.name]["description"] == field.help));
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
