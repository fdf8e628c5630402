//! An OpenAPI document as it grows: operations with their parameters, bodies and answers.

use schemars::JsonSchema;
use schemars::generate::SchemaGenerator;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A failure (RFC 9457).
#[derive(Serialize, JsonSchema)]
pub(crate) struct Problem {
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

/// Says of a parameter that it may be there several times.
pub(crate) const REPEATS: &str = "x-repeats";

/// The document as it grows.
pub(super) struct Api {
    pub(super) generator: SchemaGenerator,
    pub(super) paths: Map<String, Value>,
}

impl Api {
    pub(super) fn get(&mut self, path: &str, summary: &str) -> Operation<'_> {
        self.add("get", path, summary)
    }

    pub(super) fn post(&mut self, path: &str, summary: &str) -> Operation<'_> {
        self.add("post", path, summary)
    }

    pub(super) fn patch(&mut self, path: &str, summary: &str) -> Operation<'_> {
        self.add("patch", path, summary)
    }

    /// Every operation can be asked with a parameter that it doesn't take.
    pub(super) fn refuse_parameters(&mut self) {
        let schema = json!(self.generator.subschema_for::<Problem>());
        let answer = json!({"description": "an unknown parameter, or one that is there twice",
            "content": {"application/problem+json": {"schema": schema}}});
        let operations = self.paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
        for operation in operations.filter(|operation| operation["responses"]["400"].is_null()) {
            operation["responses"]["400"] = answer.clone();
        }
    }

    pub(super) fn add(&mut self, method: &str, path: &str, summary: &str) -> Operation<'_> {
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
pub(super) struct Operation<'a> {
    generator: &'a mut SchemaGenerator,
    value: &'a mut Value,
}

impl Operation<'_> {
    pub(super) fn path_parameter(self, name: &str) -> Self {
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

    pub(super) fn query(self, name: &str, schema: Value, help: &str) -> Self {
        self.parameter("query", name, schema, help)
    }

    /// One that may be there again and again, which means the same as its values joined by commas.
    pub(super) fn query_list(self, name: &str, schema: Value, help: &str) -> Self {
        let this = self.query(name, schema, help);
        if let Some(parameter) = this.value["parameters"].as_array_mut().and_then(|all| all.last_mut()) {
            parameter[REPEATS] = json!(true);
        }
        this
    }

    /// The last one has to be there.
    pub(super) fn required(self) -> Self {
        if let Some(parameter) = self.value["parameters"].as_array_mut().and_then(|all| all.last_mut()) {
            parameter["required"] = json!(true);
        }
        self
    }

    fn parameter(self, place: &str, name: &str, schema: Value, help: &str) -> Self {
        let required = place == "path";
        let parameter = json!({"in": place, "name": name, "required": required, "schema": schema, "description": help});
        match &mut self.value["parameters"] {
            Value::Array(parameters) => parameters.push(parameter),
            none => *none = json!([parameter]),
        }
        self
    }

    pub(super) fn body(self, schema: &Value, help: &str) -> Self {
        self.value["requestBody"] = json!({"description": help, "content": {"application/json": {"schema": schema}}});
        self
    }

    pub(super) fn required_body(self, schema: &Value, help: &str) -> Self {
        let this = self.body(schema, help);
        this.value["requestBody"]["required"] = json!(true);
        this
    }

    /// Answers with a type that a handler serializes.
    pub(super) fn gives<T: JsonSchema>(self, status: u16, help: &str) -> Self {
        let schema = self.generator.subschema_for::<T>();
        self.answers(status, "application/json", json!(schema), help)
    }

    pub(super) fn answers(self, status: u16, content_type: &str, schema: Value, help: &str) -> Self {
        let answer = &mut self.value["responses"][status.to_string()];
        if answer.is_null() {
            *answer = json!({"description": help});
        }
        answer["content"][content_type] = json!({"schema": schema});
        self
    }

    pub(super) fn gives_nothing(self, status: u16, help: &str) -> Self {
        self.value["responses"][status.to_string()] = json!({"description": help});
        self
    }

    /// Answers a browser with a page, too.
    pub(super) fn or_page(self) -> Self {
        self.answers(200, "text/html", json!({"type": "string"}), "")
    }

    pub(super) fn fails(self, status: u16, help: &str) -> Self {
        let schema = self.generator.subschema_for::<Problem>();
        self.answers(status, "application/problem+json", json!(schema), help)
    }

    pub(super) fn no_run(self) -> Self {
        self.fails(404, "there is no run of that id")
    }
}
