//! Every address for programs: what it does, takes, answers, and how it can fail.

use super::builder::{Api, Operation};
use super::requests::{edit_request, fork_request, pixels, request};
use crate::alignment::Aligned;
use crate::claims::{self, ClaimsAnswer};
use crate::diff::Diff;
use crate::estimate::PlanAnswer;
use crate::scheduler::QUEUE;
use crate::series::{MOST_POINTS, Thinned};
use crate::state::{RunState, Summary};
use crate::sweeps::{Grouped, Stopped, Sweeps};
use crate::{api, artifacts, lifecycle, predict, table};
use serde_json::json;
use trainer::measure::METRICS;

/// Every address for programs.
pub(super) fn all(api: &mut Api) {
    let binary = || json!({"type": "string", "contentEncoding": "binary"});
    let text = || json!({"type": "string"});
    // Of a stream the schema is that of each event.
    let event = || {
        let properties =
            json!({"id": text(), "event": text(), "data": {"type": "string", "contentMediaType": "application/json"}});
        json!({"type": "object", "properties": properties, "required": ["data"]})
    };
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
        let operation = operation.fails(400, "malformed JSON, or not an object").fails(415, "not JSON");
        if path == "/runs" {
            let operation = operation
                .fails(422, "a field's value, alone or beside the others")
                .fails(503, "the server is shutting down, or the disk is full");
            operation.gives::<api::Started>(201, "started; Location leads to the page");
        } else {
            operation.gives::<PlanAnswer>(200, "what would start, or what is wrong with a field");
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
        .gives::<table::ListAnswer<'_>>(200, "the runs, or their ids")
        .answers(200, "text/csv; charset=utf-8", text(), "")
        .or_page()
        .fails(400, "an unknown field, format or parameter, a query that makes no sense, or not a cursor");
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
        .answers(200, "text/event-stream", event(), "summaries as they are now")
        .fails(400, "not a position");
    api.post("/runs/{id}/predict", "What a run's network says of an image")
        .query("epoch", json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}), "The newest unless said.")
        .query("drawing", json!({"enum": [1]}), "The body is a square drawing, to be brought into MNIST's layout.")
        .required_body(&pixels(), "28 × 28 grey pixels, row by row; also as application/octet-stream.")
        .gives::<predict::Answer>(200, "embedding, probabilities, nearest test images")
        .fails(400, "malformed JSON, or an unknown parameter")
        .fails(415, "neither JSON nor bytes")
        .fails(422, "no image, or a network that went astray")
        .fails(404, "no such run, or no checkpoint kept at or before the epoch")
        .fails(500, "the checkpoint is damaged")
        .fails(503, "the server is shutting down");
    api.get("/runs/{id}", "All that is known of a run").gives::<RunState>(200, "its state").or_page().no_run();
    api.post("/runs/{id}/stop", "Stop a run; one that is over stays as it is")
        .gives::<api::StopAnswer>(202, "stopped, or about to be")
        .no_run();
    api.post("/runs/{id}/resume", "Go on with a run that is over from its newest whole checkpoint")
        .gives::<Summary>(202, "queued; one that isn't over stays as it is")
        .fails(409, "the run has finished, or is stopping")
        .fails(422, "a fork none of whose checkpoints is whole, the one it began with included")
        .fails(503, "the server is shutting down, or the disk is full")
        .no_run();
    api.post("/runs/{id}/fork", "Start a run from a checkpoint of another, with other values")
        .required_body(&fork_request(), "The epoch, and the fields that differ.")
        .gives::<api::Started>(201, "started; Location leads to the comparison of both")
        .fails(400, "malformed JSON, or not an object")
        .fails(415, "not JSON")
        .fails(422, "no checkpoint of that epoch is kept, or a field's value")
        .fails(503, "the server is shutting down, or the disk is full")
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
    let trash = api.get("/trash", "The runs in the trash, last deleted first");
    paged(trash.gives::<lifecycle::Trash>(200, "a page of them"));
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
        .query("predictions", json!({"enum": [1]}), "Behind the compact test points, what each image is taken for.")
        .answers(200, "application/octet-stream", binary(), "the points; point i is image i")
        .fails(400, "an unknown split or format, or predictions of training images")
        .fails(404, "no such run, or no such epoch yet");
    api.get("/runs/{id}/artifacts", "A run's files").gives::<artifacts::Artifacts>(200, "the files").no_run();
    api.get("/runs/{id}/artifacts/{name}", "A file of a run")
        .answers(200, "*/*", json!(true), "the file; Range and If-None-Match are understood")
        .fails(404, "no such run or file")
        .fails(416, "the file has no such range");
    api.get("/runs/{id}/archive", "A whole run as .tar.gz")
        .answers(200, "application/gzip", binary(), "the archive")
        .fails(429, "as many archives are being downloaded as the server packs at once")
        .no_run();
    api.get("/runs/{id}/events", "A run's events, live, as server-sent events")
        .query(
            "after",
            json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            "The last event that is known; `Last-Event-ID` goes first.",
        )
        .answers(200, "text/event-stream", event(), "one line of the log an event")
        .fails(400, "not a position")
        .no_run();
    api.get("/events", "The events of several runs in one stream")
        .query("runs", ids(16), "1 to 16 ids joined by commas.")
        .required()
        .query(
            "after",
            json!({"type": "string", "pattern": "^[0-9]{1,9}(\\\\.[0-9]{1,9}){0,15}$"}),
            "A position for each run, joined by dots.",
        )
        .answers(200, "text/event-stream", event(), "the lines of the logs, each with its run")
        .fails(400, "no or too many runs, or not a position")
        .no_run();
    paged(api.get("/sweeps", "The sweeps, newest first").gives::<Sweeps>(200, "a page of them"));
    for (path, what) in [("/sweeps/{id}", "A sweep by groups"), ("/groups", "Any runs by groups")] {
        let operation = api.get(path, what);
        let operation = if path == "/groups" {
            operation.query_list("runs", ids(QUEUE), "1 to 100 ids joined by commas.").query(
                "query",
                text(),
                "Instead of `runs`: those that a query lets through, as of /runs.",
            )
        } else {
            operation.query("archived", json!({"enum": ["true", "false"]}), "Archived runs are left out unless said.")
        };
        operation
            .query_list(
                "by",
                json!({"type": "string", "examples": ["variant,lambda"]}),
                "Fields joined by commas; all settings that differ but the seed unless said, of a query the variant.",
            )
            .query("shape", text(), "How the page draws its curves: band, range or lines.")
            .query("metric", metric(), "The metric of the curves: test_accuracy unless said.")
            .gives::<Grouped>(200, "the groups and the runs")
            .or_page()
            .fails(400, "an unknown field, metric or parameter, or a query that makes no sense")
            .fails(422, "`archived` is neither true nor false")
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
        .query("threshold", text(), "What has to be reached, where `at` is reach: 0.98 or 98%.")
        .query("direction", json!({"enum": ["lower", "higher"]}), "Which way A differs; the better way unless said.")
        .query(
            "sweep",
            // An empty field of the page's form says nothing.
            json!({"anyOf": [{"type": "string", "format": "uuid"}, {"const": ""}]}),
            "Only this sweep's runs; else all.",
        )
        .query("archived", json!({"enum": ["true", "false"]}), "Whether archived runs count: they don't unless said.")
        .gives::<ClaimsAnswer>(200, "the claims, each with its pairs and its verdict")
        .or_page()
        .fails(422, "a claim that makes no sense")
        .fails(404, "there is no sweep of that id");
    api.get("/diff", "Several runs side by side")
        .query_list("runs", ids(6), "1 to 6 ids joined by commas.")
        .required()
        .query(
            "at",
            json!({"anyOf": [{"enum": ["last", "best"]}, {"type": "integer", "minimum": 1, "maximum": u32::MAX}]}),
            "Where metrics are read: last unless said.",
        )
        .query("all", json!({"enum": ["1"]}), "Whether the page shows equal settings, too.")
        .gives::<Diff>(200, "settings, circumstances, metrics and confusion matrices")
        .or_page()
        .fails(400, "no or too many runs, or no such place")
        .fails(422, "an epoch that none of the runs has")
        .no_run();
    let digest = || json!({"type": "string", "pattern": "^[0-9a-f]{64}$"});
    let meant = "The images that are meant, as a run's `data` has it: those of that word unless said.";
    api.get("/data/{set}/labels/{split}", "The true labels of a data set")
        .fails(400, "an address that can't be understood")
        .query("digest", digest(), meant)
        .answers(200, "application/octet-stream", binary(), "one byte an image, 0 to 9")
        .fails(404, "not on this machine");
    api.get("/data/{set}/images/{split}/{index}.png", "An image of a data set")
        .fails(400, "an address that can't be understood")
        .path_parameter("index")
        .query("digest", digest(), meant)
        .answers(200, "image/png", binary(), "28×28 grey pixels")
        .fails(404, "not on this machine, or no such image");
    api.get("/data/{set}/sheet/{split}", "Several images of a data set in one picture, row by row")
        .query("digest", digest(), meant)
        .query("indices", json!({"type": "string", "pattern": "^[0-9]{1,5}(,[0-9]{1,5}){0,255}$"}), "1 to 256 images.")
        .required()
        .answers(200, "image/png", binary(), "28 × 28 pixels each")
        .fails(400, "no such list")
        .fails(404, "no such image, or the set is not on this machine");
    api.get("/compare/alignment", "How the planes of several runs are laid over one of them")
        .query("runs", ids(6), "1 to 6 ids joined by commas.")
        .required()
        .query("reference", json!({"type": "string"}), "The run that the others are laid over: the first unless said.")
        .query("epoch", json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}), "Every epoch unless said.")
        .gives::<Aligned>(200, "a map for each run at each epoch")
        .fails(400, "no or too many runs, or a reference that is none of them")
        .no_run();
    api.post("/compare/predict", "What the networks of several runs say of an image")
        .query("runs", ids(6), "1 to 6 ids joined by commas.")
        .query("epoch", json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}), "The newest unless said.")
        .query("drawing", json!({"enum": [1]}), "The body is a square drawing, to be brought into MNIST's layout.")
        .required_body(&pixels(), "28 × 28 grey pixels, row by row; also as application/octet-stream.")
        .gives::<predict::Together>(200, "what each of them says, or why it can't")
        .fails(400, "no or too many runs, malformed JSON, or an unknown parameter")
        .fails(415, "neither JSON nor bytes")
        .fails(422, "no image")
        .fails(503, "the server is shutting down")
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
    api.refuse_parameters();
}

/// A list that pages by cursor.
fn paged(operation: Operation<'_>) {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000});
    operation
        .query("cursor", json!({"type": "string"}), "`next` of the page before.")
        .query("limit", limit, "How many a page holds: 100 unless said.")
        .or_page()
        .fails(400, "not a cursor, no such limit, or an unknown parameter");
}
