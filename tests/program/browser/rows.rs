//! Rows that go where they belong, runs that are started again or restored together, filters that are offered again.

use super::driver::{Browser, Screen};
use super::open;
use crate::support::Site;
use fantoccini::key::Key;
use serde_json::json;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const COUNT: &str = "document.querySelector('[data-role=count]').innerText";
const GRID: &str = "document.querySelector('[data-role=grid]')";
/// The ids of the rows, from the top.
const ORDER: &str = "[...document.querySelectorAll('.alive tbody tr[data-run]')].map((row) => row.dataset.run)";

fn in_order(ids: &[&String]) -> String {
    format!("JSON.stringify({ORDER}) === '{}'", json!(ids))
}

#[tokio::test]
async fn rows_go_where_they_belong_and_many_runs_are_handled_at_once() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let ids = [site.tiny_run(), site.tiny_run(), site.tiny_run()];
    let [a, b, c] = &ids;
    let edit = |id: &str, body: serde_json::Value| {
        assert_eq!(site.send("PATCH", &format!("/runs/{id}"), &[JSON], body.to_string().as_bytes()).status, 200);
    };
    for (id, name) in [(a, "a"), (b, "b"), (c, "c")] {
        edit(id, json!({"name": name, "tags": ["x"]}));
    }

    // Somebody else changes what the rows are sorted by: selection and focus go with the row.
    open(&browser, &site, "/runs?sort=name").await;
    browser.until(&in_order(&[a, b, c])).await;
    browser.value(&format!("{GRID}.focus()")).await;
    browser.press(&format!("{} ", Key::Home)).await;
    browser.until("document.querySelector('.bulk:not([hidden]) b')?.innerText === '1 selected'").await;
    browser.value(&format!("(window.row = document.querySelector('[data-run=\"{a}\"]'))")).await;
    edit(a, json!({"name": "d"}));
    browser.until(&in_order(&[b, c, a])).await;
    let active = format!("{GRID}.getAttribute('aria-activedescendant')");
    assert_eq!(browser.value(&active).await, json!(format!("run-{a}")));
    let same = format!("document.activeElement === {GRID} && row.isConnected && row.ariaSelected === 'true'");
    assert_eq!(browser.value(&same).await, json!(true), "the row is the same one, and selected");

    // Under the hand of who edits a row nothing moves.
    browser.press(&Key::F2.to_string()).await;
    browser.until("document.querySelector('.in-place input')").await;
    edit(b, json!({"name": "z"}));
    browser.until(&format!("document.querySelector('[data-run=\"{b}\"] th a').innerText === 'z'")).await;
    assert_eq!(browser.value(&in_order(&[b, c, a])).await, json!(true));
    browser.press(&Key::Escape.to_string()).await;
    browser.until(&in_order(&[c, a, b])).await;

    // A row leaves a filtered list when it no longer matches. The filter is offered again.
    browser.press(&Key::Escape.to_string()).await;
    browser.click("#query").await;
    browser.press(&format!("tag = x{}", Key::Enter)).await;
    browser.until(&format!("{COUNT} === '3 runs' && location.search.includes('tag')")).await;
    edit(c, json!({"tags": []}));
    browser.until(&format!("{COUNT} === '2 runs'")).await;
    browser.value("document.querySelector('#query').select()").await;
    browser.press(&Key::Backspace.to_string()).await;
    browser.until(&format!("{COUNT} === '3 runs'")).await;
    browser.until("document.querySelector('.completions .recent code')?.innerText === 'tag = x'").await;
    browser.press(&format!("{}{}", Key::Down, Key::Enter)).await;
    browser.until(&format!("{COUNT} === '2 runs'")).await;

    // Both are started again, with another seed.
    browser.value(&format!("{GRID}.focus()")).await;
    browser.press(&format!("{}a{}", Key::Control, Key::Control)).await;
    browser.until("document.querySelector('.bulk b')?.innerText === '2 selected'").await;
    browser
        .value("[...document.querySelectorAll('.bulk button')].find((b) => b.innerText === 'Repeat…').click()")
        .await;
    browser.until("document.querySelector('dialog[open] input[name=seed]')").await;
    browser.press(&format!("7{}", Key::Enter)).await;
    browser.until("document.querySelector('[data-role=undo]')?.innerText.includes('Started 2 runs again')").await;
    let again = site.get("/runs?query=seed+%3D+7").json();
    let spec = &site.get(&format!("/runs/{a}")).json()["spec"];
    assert_eq!((&again["total"], &again["runs"][0]["spec"]["width"]), (&json!(2), &spec["width"]));

    // What was deleted comes back together, and goes again when that is undone.
    for id in &ids {
        assert_eq!(site.send("DELETE", &format!("/runs/{id}"), &[], b"").status, 204);
    }
    open(&browser, &site, "/trash").await;
    browser.until("document.querySelector('thead .pick input')").await;
    browser.click("thead .pick input").await;
    browser.until("document.querySelector('[data-role=restore-ticked]')?.innerText === 'Restore 3 runs'").await;
    browser.click("[data-role=restore-ticked]").await;
    browser.until("document.querySelector('[data-role=undo]')?.innerText.includes('Restored 3 runs')").await;
    assert_eq!(site.get("/trash").json()["total"], 0);
    browser.click("[data-role=undo] button").await;
    browser.until("document.querySelectorAll('[data-trash] tbody .pick input').length === 3").await;
    assert_eq!(site.get("/trash").json()["total"], 3);
    browser.assert_silent().await;
}
