//! Sweeps, groups, claims and differences, by the REST interface and as pages without JavaScript.

use crate::support::{Site, endless, finished, tiny};
use centerscope::config::Config;
use serde_json::{Value, json};
use std::io::Write;
use std::process::Command;

const FORM: [(&str, &str); 2] =
    [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/html,*/*;q=0.8")];

/// The fields of a page's first form that holds `marker`, as a browser would send them.
fn form_body(html: &str, marker: &str) -> String {
    let form = html.split("<form").find(|form| form.contains(marker)).expect("a form");
    let form = form.split("</form>").next().unwrap();
    let attribute = |input: &str, name: &str| {
        let (_, rest) = input.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().to_string()
    };
    let inputs = form.split("<input type=\"hidden\"").skip(1);
    let pairs = inputs.map(|input| (attribute(input, " name"), attribute(input, " value")));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn a_sweep_is_planned_run_grouped_and_put_to_the_test() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let request =
        tiny(json!({"variants": ["v1.0", "v1.1"], "seeds": {"from": 1, "to": 5}, "epochs": 1, "name": "paired"}));
    let plan = site.post("/runs/plan", &request).json();
    assert_eq!((plan["count"].as_u64(), plan["training_images"].as_u64()), (Some(10), Some(640)));
    assert_eq!(plan["estimated_seconds"], Value::Null, "nothing has run here: no invented number");
    assert!(plan["basis"].as_str().unwrap().contains("unknown"), "{plan}");
    assert_eq!(site.get("/runs").json()["runs"].as_array().unwrap().len(), 0, "a plan starts nothing");
    let wrong = json!({"epochs": "ab"});
    let (told, refused) = (site.post("/runs/plan", &wrong), site.post("/runs", &wrong));
    assert_eq!((told.status, &told.json()["problem"]), (200, &refused.json()), "a value half typed is no failure");

    let started = site.post("/runs", &request);
    assert_eq!(started.status, 201, "{}", started.text());
    let answer = started.json();
    let sweep = answer["sweep"].as_str().unwrap();
    let url = format!("/sweeps/{sweep}");
    assert_eq!((started.header("location"), answer["url"].as_str()), (url.as_str(), Some(url.as_str())));
    let runs = answer["runs"].as_array().unwrap();
    let names = runs.iter().map(|run| run["name"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(names[..3], ["paired · V1.0 seed 1", "paired · V1.1 seed 1", "paired · V1.0 seed 2"]);
    let ids = runs.iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>();
    site.events(&format!("/events?runs={}", ids.join(",")), None).rest();

    // Two groups of five; the server's mean is the mean.
    let grouped = site.get(&format!("{url}?metric=train_loss")).json();
    assert_eq!((&grouped["varied"], &grouped["by"]), (&json!(["variant", "seed"]), &json!(["variant"])));
    let losses = |variant: &str| {
        let runs = grouped["runs"].as_array().unwrap().iter().filter(|run| run["variant"] == variant);
        runs.map(|run| run["last"]["train_loss"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (a, b) = (losses("v1.0"), losses("v1.1"));
    for (group, values) in grouped["groups"].as_array().unwrap().iter().zip([&a, &b]) {
        let last = &group["finished"]["train_loss"]["last"];
        assert_eq!((last["n"].as_u64(), group["runs"].as_array().unwrap().len()), (Some(5), 5));
        assert!((last["mean"].as_f64().unwrap() - mean(values)).abs() < 1e-12);
        assert_eq!(group["curve"][0]["mean"], last["mean"]);
    }
    assert_eq!(site.get(&format!("{url}?by=")).json()["groups"][0]["label"], "all runs");

    // It is in the list, in the query language, and on the home page: its two variants of one seed, without what is archived.
    let list = site.get("/sweeps").json();
    let row = &list["sweeps"][0];
    assert_eq!((&list["total"], &row["id"], &row["name"]), (&json!(1), &json!(sweep), &json!("paired")));
    assert_eq!((&row["runs"], &row["statuses"]), (&json!(10), &json!({"FINISHED": 10})));
    assert_eq!(row["varied"][1], json!({"field": "seed", "values": [1, 2, 3, 4, 5]}));
    let page = site.get_page("/sweeps").text();
    for text in ["paired: 10 runs", "variant v1.0, v1.1", "seed 1..5", "10 finished", &url] {
        assert!(page.contains(text), "the list of sweeps does not show {text}");
    }
    assert_eq!(site.get(&format!("/runs?query=sweep+%3D+{sweep}+and+seed+%3D+2")).json()["total"], 2);
    let shown = || {
        let home = site.get_page("/").text();
        assert!(home.contains(&format!("href=\"{url}\"")), "home leads to the sweep");
        home.split_once("data-runs=\"").unwrap().1.split('"').next().unwrap().to_string()
    };
    assert_eq!(shown(), ids[8..].join(","));
    let archive = |id: &str, archived: bool| {
        let body = json!({"archived": archived}).to_string();
        let headers = [("Content-Type", "application/json")];
        assert_eq!(site.send("PATCH", &format!("/runs/{id}"), &headers, body.as_bytes()).status, 200);
    };
    ids[8..].iter().for_each(|id| archive(id, true));
    assert_eq!(shown(), ids[6..8].join(","));
    ids[8..].iter().for_each(|id| archive(id, false));

    // Where it ran is part of the record.
    let state = site.get(&format!("/runs/{}", ids[0])).json();
    assert!(state["threads"].as_u64().is_some_and(|n| n > 0) && state["host"].as_str().is_some_and(|h| !h.is_empty()));
    assert_eq!((&state["sweep"], &state["comparison"]), (&json!(sweep), &Value::Null));

    // The claim rests on the five differences of pairs that share a seed.
    let claim = format!("/claims?field=variant&a=v1.0&b=v1.1&metric=train_loss&at=last&sweep={sweep}");
    let tested = site.get(&claim).json()["claims"][0].clone();
    assert_eq!(tested["sentence"], "V1.0 has a lower training loss after the last epoch than V1.1");
    let finding = &tested["findings"][0];
    let pairs = finding["pairs"].as_array().unwrap();
    assert_eq!(pairs.iter().map(|pair| pair["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for (pair, (a, b)) in pairs.iter().zip(a.iter().zip(&b)) {
        assert_eq!(pair["difference"].as_f64().unwrap(), a - b);
    }
    let [low, high] = [0, 1].map(|i| finding["paired"]["differences"]["interval"][i].as_f64().unwrap());
    let expected = if high < 0.0 {
        "supported"
    } else if low > 0.0 {
        "contradicted"
    } else {
        "undecided"
    };
    assert_eq!(finding["verdict"], expected, "{finding}");
    assert_eq!((&finding["missing_seeds"], &finding["pairs_total"]), (&json!([]), &json!(5)));

    // What was archived says nothing, is in no group, and is told to be left out, unless it is asked for.
    archive(ids[0], true);
    let pairs = |target: &str| site.get(target).json()["claims"][0]["findings"][0]["pairs"].as_array().unwrap().len();
    assert_eq!((pairs(&claim), pairs(&format!("{claim}&archived=true"))), (4, 5));
    let left = site.get(&url).json();
    assert_eq!((&left["archived"], left["runs"].as_array().unwrap().len()), (&json!(1), 9));
    assert!(site.get_page(&url).text().contains("1 archived run is left out"));
    assert_eq!(site.get(&format!("{url}?archived=true")).json()["runs"].as_array().unwrap().len(), 10);
    archive(ids[0], false);

    // The shipped claims ask for 98 %, which no network of this size reaches: nothing is decided, and more seeds are offered.
    let page = site.get_page(&format!("/claims?sweep={sweep}")).text();
    for text in
        ["Squared (V1.0) reaches 98 %", "Deep (V1.1) converges faster", "too few pairs", "not in 1", "says nothing"]
    {
        assert!(page.contains(text), "the page of claims does not show {text}");
    }
    let body = form_body(&page, "data-role=\"offer\"");
    let planned = site.send("POST", "/runs/plan", &FORM, body.as_bytes());
    assert!(planned.status == 200 && planned.text().contains("10 runs, about"), "{}", planned.text());
    let offered = site.send("POST", "/runs", &FORM, form_body(&planned.text(), "action=\"/runs\"").as_bytes());
    assert_eq!(offered.status, 303, "{}", offered.text());
    let more = site.get(offered.header("location")).json();
    let seeds = more["runs"].as_array().unwrap().iter().map(|run| run["seed"].as_u64().unwrap());
    assert_eq!(seeds.collect::<Vec<_>>(), [6, 6, 7, 7, 8, 8, 9, 9, 10, 10]);
    assert_eq!(more["runs"][9]["epochs"], 1, "the settings are those of the pairs that are there");
    // The list goes on where a page of it ended.
    let newest = site.get("/sweeps?limit=1").json();
    assert_eq!((&newest["total"], &newest["sweeps"][0]["url"]), (&json!(2), &json!(offered.header("location"))));
    let next = newest["next"].as_str().unwrap();
    let older = site.get(&format!("/sweeps?limit=1&cursor={next}")).json();
    assert_eq!((&older["next"], &older["sweeps"][0]["id"]), (&Value::Null, &json!(sweep)));
    assert!(site.get_page("/sweeps?limit=1").text().contains("Older sweeps"));
    let refused = ["/sweeps?limit=0", "/sweeps?cursor=x", "/sweeps?page=2"].map(|target| site.get(target).status);
    assert_eq!(refused, [400, 400, 400]);
    let stopped = site.post(&format!("{}/stop", offered.header("location")), &json!({}));
    assert_eq!(stopped.status, 202, "{}", stopped.text());

    let page = site.get_page(&url).text();
    for text in ["Sweep of 10 runs", "10 finished", "V1.1", "5 of 5", "±", "paired · V1.0 seed 5"] {
        assert!(page.contains(text), "the page of the sweep does not show {text}");
    }
}

#[test]
fn whatever_a_query_lets_through_is_grouped_by_any_field_and_a_seed_of_one_side_is_offered_to_the_other() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let mut ids = site.start_runs(tiny(json!({"variant": "v1.0", "seeds": [1, 2, 3], "epochs": 1})));
    ids.extend(site.start_runs(tiny(json!({"variant": "v1.1", "seed": 1, "epochs": 1}))));
    site.events(&format!("/events?runs={}", ids.join(",")), None).rest();
    for (id, edit) in [
        (&ids[0], json!({"tags": ["paper", "first"]})),
        (&ids[1], json!({"tags": ["paper"]})),
        (&ids[2], json!({"archived": true})),
    ] {
        let headers = [("Content-Type", "application/json")];
        assert_eq!(site.send("PATCH", &format!("/runs/{id}"), &headers, edit.to_string().as_bytes()).status, 200);
    }
    // As in the table of runs, archived ones are left out. A run with two tags is in both groups.
    let grouped = site.get("/groups?query=&by=tags&metric=train_loss").json();
    assert_eq!((&grouped["total"], &grouped["statuses"]), (&json!(3), &json!({"FINISHED": 3})));
    assert_eq!((&grouped["varied"], &grouped["others"]), (&json!(["variant", "seed"]), &json!(["tags", "sweep"])));
    let groups = grouped["groups"].as_array().unwrap();
    let told = groups.iter().map(|g| (g["label"].as_str().unwrap(), g["total"].as_u64().unwrap())).collect::<Vec<_>>();
    assert_eq!(told, [("tag first", 1), ("tag paper", 2), ("no tag", 1)]);
    let losses = [0, 1].map(|at| site.get(&format!("/runs/{}", ids[at])).json()["train_loss"].as_f64().unwrap());
    let paper = &groups[1];
    assert!((paper["finished"]["train_loss"]["last"]["mean"].as_f64().unwrap() - mean(&losses)).abs() < 1e-12);
    assert_eq!((&paper["curve"][0]["n"], &paper["drawn"], &paper["runs"]), (&json!(2), &json!(2), &json!(ids[..2])));
    // Each leads to its runs.
    for group in groups {
        let query =
            url::form_urlencoded::byte_serialize(group["query"].as_str().unwrap().as_bytes()).collect::<String>();
        assert_eq!(site.get(&format!("/runs?query={query}")).json()["total"], group["total"], "{group}");
    }
    assert_eq!(site.get("/groups?query=seed+%3D+1").json()["by"], json!(["variant"]), "of a query, unless said");
    let by = |field: &str| site.get(&format!("/groups?query=&by={field}")).json()["groups"].as_array().unwrap().len();
    assert_eq!(["status", "network", "epoch", "name", "created", "sweep"].map(by), [1, 1, 1, 3, 1, 2]);

    // The table leads here with what is shown there.
    let table = site.get_page("/runs?query=variant+%3D+v1.0").text();
    assert!(table.contains("href=\"/groups?query=variant%20%3D%20v1.0\""), "the table leads to groups");
    let page = site.get_page("/groups?query=variant%20%3D%20v1.0&by=tags").text();
    for text in ["2 runs by groups", "value=\"variant = v1.0\"", "value=\"tags\" checked", "1 of 1"] {
        assert!(page.contains(text), "the page of groups does not show {text}");
    }

    // Seed 2 is there of V1.0 alone: the claim offers to run it with V1.1, and no more than that.
    let claim = "/claims?field=variant&a=v1.0&b=v1.1&metric=train_loss&at=last";
    let finding = site.get(claim).json()["claims"][0]["findings"][0].clone();
    assert_eq!(
        (&finding["a_lacks"], &finding["b_lacks"], &finding["missing_seeds"]),
        (&json!([]), &json!([2]), &json!([3, 4, 5]))
    );
    let page = site.get_page(claim).text();
    assert!(page.contains("Run V1.1 with seed 2") && page.contains("Run both sides with seeds 3, 4, 5"), "{page}");
    let started = site.send("POST", "/runs", &FORM, form_body(&page, "Run V1.1 with seed 2").as_bytes());
    let state = site.get(started.header("location")).json();
    assert_eq!((&state["label"], &state["seed"], &state["epochs"]), (&json!("V1.1"), &json!(2), &json!(1)));
}

#[test]
fn stopping_a_sweep_stops_all_of_it() {
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let answer = site.post("/runs", &endless(json!({"variant": "v1.0", "seeds": [1, 2, 3, 4, 5]}))).json();
    let url = answer["url"].as_str().unwrap();
    assert_eq!(site.post(&format!("{url}/stop"), &json!({})).status, 202);
    let ids = answer["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>();
    site.events(&format!("/events?runs={}", ids.join(",")), None).rest();
    let runs = site.get(url).json()["runs"].as_array().unwrap().clone();
    assert!(runs.iter().all(|run| run["status"] == "KILLED" && run["reason"] == "its sweep was stopped by hand"));
    for target in ["/sweeps/nonsense", "/sweeps/01a20bc0-95e5-75ae-bf61-e46d29aa5d9a"] {
        assert_eq!((site.get(target).status, site.post(&format!("{target}/stop"), &json!({})).status), (404, 404));
    }
    let both = format!("/groups?runs={}&query=", ids[0]);
    for wrong in
        [&format!("{url}?metric=beauty"), &format!("{url}?by=beauty"), "/groups", "/groups?query=seed+=", &both]
    {
        assert_eq!(site.get(wrong).status, 400, "{wrong}");
    }
    let claim = "/claims?b=v1.0&metric=test_accuracy&at=best";
    for (status, wrong, field) in [
        (422, "/claims?field=seed".to_string(), "field"),
        (422, format!("{claim}&field=variant&a=v7"), "a"),
        (400, format!("{claim}&field=variant&a=v1.1&thresold=0.9"), "thresold"),
        (400, format!("{url}?metrics=train_loss"), "metrics"),
    ] {
        let refused = site.get(&wrong);
        assert_eq!((refused.status, &refused.json()["field"]), (status, &json!(field)), "{wrong}");
    }
}

#[test]
fn differences_are_told_and_the_better_one_is_marked() {
    let done = finished();
    let target = format!("/diff?runs={},{}", done.ids[0], done.ids[2]);
    let beyond = done.site.get(&format!("{target}&at=99"));
    assert_eq!(beyond.status, 422);
    assert!(beyond.text().contains("the furthest is at 2"), "{}", beyond.text());
    let diff = done.site.get(&format!("{target}&at=best")).json();
    let differing = diff["settings"].as_array().unwrap().iter().filter(|row| row["differs"] == true);
    let differing = differing.map(|row| (row["field"].as_str().unwrap(), &row["values"])).collect::<Vec<_>>();
    assert_eq!(differing, [("variant", &json!(["v1.0", "v1.2"]))]);
    let row = |diff: &Value, metric: &str| {
        diff["metrics"].as_array().unwrap().iter().find(|row| row["metric"] == metric).unwrap().clone()
    };
    let has_its_least_marked = |row: &Value| {
        let values = [0, 1].map(|i| row["values"][i].as_f64().unwrap());
        assert_eq!(row["better"].as_u64(), Some(u64::from(values[1] < values[0])), "{row}");
    };
    has_its_least_marked(&row(&diff, "test_cross_entropy"));
    // Squared and root distances: losses in two units.
    assert_eq!(row(&diff, "test_loss")["better"], Value::Null);
    let of_one_loss = done.site.get(&format!("/diff?runs={},{}", done.ids[1], done.ids[2])).json();
    has_its_least_marked(&row(&of_one_loss, "test_loss"));
    let rows = diff["confusion"][0].as_array().unwrap();
    for row in rows {
        let sum = row.as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).sum::<f64>();
        assert!(sum.abs() < 1e-9, "shares of a digit's images move, and none is lost");
    }
    let page = done.site.get_page(&target).text();
    for text in [
        "shared · V1.0",
        "shared · V1.2",
        "class=\"best\"",
        "more are equal",
        "Confusion: shared · V1.2, less shared · V1.0",
    ] {
        assert!(page.contains(text), "the page of differences does not show {text}");
    }
    assert!(
        !page.contains("batch_size") && done.site.get_page(&format!("{target}&all=1")).text().contains("batch_size")
    );
    assert_eq!(done.site.get(&format!("{target}&at=soon")).status, 400);
}

#[test]
fn a_run_can_be_asked_for_again() {
    let done = finished();
    let id = &done.ids[1];
    let spec = &done.site.get(&format!("/runs/{id}")).json()["spec"];
    let page = done.site.get_page(&format!("/runs/{id}")).text();
    // The command is in the page as text: undo HTML's and the shell's quoting, and it is a request for the same spec.
    let page = page.replace("&#34;", "\"").replace("&#39;", "'");
    let json = page.split_once("-d '").unwrap().1.split_once('\'').unwrap().0;
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let again = site.start_runs(serde_json::from_str(json).unwrap()).remove(0);
    assert_eq!(&site.get(&format!("/runs/{again}")).json()["spec"], spec);
    assert!(page.contains("centerscope train --name 'shared · V1.1' --variant v1.1 --epochs 2 --seed 5"), "{json}");

    let form = done.site.get_page(&format!("/?from={id}")).text();
    for text in ["name=\"seed\" type=\"text\"", "value=\"0.03125\"", "value=\"v1.1\" checked", "value=\"shared"] {
        assert!(form.contains(text), "the filled form does not show {text}");
    }
    assert!(!form.contains("value=\"v1.0\" checked"));
    assert_eq!(done.site.get("/?from=nonsense").status, 404);
}

fn python() -> Option<&'static str> {
    let python = ["python3", "python"].into_iter().find(|python| {
        let version = Command::new(python).args(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).status();
        version.is_ok_and(|status| status.success())
    });
    if python.is_none() {
        // Not by eprintln!, which the test harness swallows.
        std::io::stderr().write_all(b"SKIPPED: the Python client: no Python 3.9 or newer here\n").unwrap();
    }
    python
}

#[test]
fn the_python_client_shows_its_token_and_reads_every_page() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().unwrap();
    let mut made = Command::new(env!("CARGO_BIN_EXE_centerscope"));
    assert!(made.args(["bench", "runs", "--make", "5", "--dir"]).arg(home.path()).output().unwrap().status.success());
    let token = "a-token-that-only-looks";
    let site = Site::with(Config { read_token: Some(token.into()), ..Config::for_testing(home.path()) }).unwrap();
    let script = "import sys; sys.path.insert(0, sys.argv[1])
from centerscope import Centerscope, CenterscopeError
server = Centerscope(sys.argv[2], token=sys.argv[3])
runs = server.runs(page=2)
print(len({run.id for run in runs}), len(server.runs('seed = -1')))
print(len(server.groups(runs)['runs']), len(server.diff(runs[:2])['runs']))
print(server.groups(query='seed >= 0', by=['status'])['total'], len(server.sweeps()), len(server.trash()))
print(len(server.csv(columns=['name', 'lr']).splitlines()), server.check('seed = 1') is None and server.check('seed =')['position'] == 6, len(server.fields()) > 50)
print(server.facets()[0]['field'], len(server.alignment(runs[:2])) > 1, len(runs[0].series(2)['train_loss']['at']))
first, answers, plain = server.get('/runs'), [], server.open
def listening(*args, **more):
    try: return plain(*args, **more)
    except CenterscopeError as error:
        answers.append(error.status)
        raise
server.open = listening
print(server.get('/runs') == first, answers)
try: runs[0].edit(tags=['paper'])
except CenterscopeError as error: print(error.status)
try: server.plan(epochs=0)
except CenterscopeError as error: print(error.status, error.problem['field'])
try: Centerscope(sys.argv[2]).runs()
except CenterscopeError as error: print(error.status)
lost = Centerscope('http://127.0.0.1:1').run(runs[0].id)
try: lost.wait(patience_s=0)
except ConnectionError as error: print('start the server again' in str(error))";
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/python");
    let address = format!("http://{}", site.address);
    let output = Command::new(python).args(["-B", "-c", script, folder, &address, token]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "5 0 5 2 5 1 0 6 True True status True 2 True [304] 403 422 epochs 401 True";
    assert_eq!(told, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_python_client_goes_from_a_sweep_to_a_verdict() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/python/example.py");
    let address = format!("http://{}", site.address);
    let output = Command::new(python).args(["-B", script, &address, "tiny"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for text in [
        "refused: epochs must be a whole number",
        "4 runs",
        "→ FINISHED",
        "2000 points",
        "V1.1 train_loss",
        "→ too_few_pairs",
        "forked after epoch 1, tag paper → 1",
        "a stroke is read as a",
        "lambda 0.5 ['paper']",
    ] {
        assert!(told.contains(text), "the example does not say {text}: {told}");
    }
}
