//! The table of runs with scripts: many rows, typed queries, selection, edits, and rows that live.

use super::driver::{Browser, Screen};
use super::{open, place_of};
use crate::support::{Site, endless};
use centerscope::config::Config;
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;
use std::process::Command;

const JSON: (&str, &str) = ("Content-Type", "application/json");
/// How many runs the page says there are.
const COUNT: &str = "document.querySelector('[data-role=count]').innerText";
const GRID: &str = "document.querySelector('[data-role=grid]')";
const ROWS: &str = "[...document.querySelectorAll('.alive tbody tr[data-run]')]";
const SCROLL: &str = "document.querySelector('[data-role=scroll]')";

#[tokio::test]
async fn the_table_of_many_runs() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let home = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_centerscope"))
        .args(["bench", "runs", "--make", "400", "--dir"])
        .arg(home.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let site = Site::start(home.path());
    open(&browser, &site, "/runs").await;

    // Only the rows in sight are there.
    browser.until(&format!("{COUNT} === '400 runs' && {ROWS}.length > 10")).await;
    assert!(browser.value(&format!("{ROWS}.length")).await.as_u64().unwrap() < 80);
    browser.until("document.querySelectorAll('.spark').length > 20").await;
    browser.value(&format!("({SCROLL}.scrollTop = 1e9)")).await;
    let oldest = site.get("/runs?sort=created&limit=1").json()["runs"][0]["id"].clone();
    browser.until(&format!("{ROWS}.at(-1)?.dataset.run === {oldest}")).await;
    browser.value(&format!("({SCROLL}.scrollTop = 0)")).await;

    // A query, completed from the list, then one that makes no sense.
    browser.click("#query").await;
    browser.press("vari").await;
    browser.until("document.querySelector('.completions:not([hidden]) code')?.innerText === 'variant'").await;
    browser.press(&format!("{}{}= v1.1 and accuracy > 95%", Key::Down, Key::Enter)).await;
    let total = site.get("/runs?query=variant+%3D+v1.1+and+accuracy+%3E+95%25").json()["total"].clone();
    browser.until(&format!("{COUNT} === '{total} runs' && location.search.includes('v1.1')")).await;
    browser.press("x").await;
    browser.until("document.querySelector('[data-role=query-error]:not([hidden]) mark')?.innerText === '95%x'").await;
    assert_eq!(browser.value(COUNT).await, json!(format!("{total} runs")), "what is shown stays");
    browser.press(&Key::Backspace.to_string()).await;
    browser.until("document.querySelector('[data-role=query-error]').hidden").await;

    // Sorted by a click, and all of it in the address.
    browser.click("[data-field=best_test_accuracy] a").await;
    let query = "query=variant+%3D+v1.1+and+accuracy+%3E+95%25&sort=-best_test_accuracy";
    let best = site.get(&format!("/runs?{query}&limit=2")).json()["runs"].clone();
    let first = |n: usize| format!("{ROWS}[{n}]?.dataset.run === {}", best[n]["id"]);
    browser.until(&format!("{} && {}", first(0), first(1))).await;
    browser.client.refresh().await.unwrap();
    browser.until(&format!("{} && {COUNT} === '{total} runs'", first(0))).await;

    // Two rows selected by the keyboard can be compared.
    browser.value(&format!("{GRID}.focus()")).await;
    browser.press(&format!("{} {}{}{}", Key::Home, Key::Shift, Key::Down, Key::Shift)).await;
    let link = "document.querySelector('.bulk:not([hidden]) a')?.getAttribute('href')";
    let both = format!("/compare?runs={},{}", best[0]["id"].as_str().unwrap(), best[1]["id"].as_str().unwrap());
    browser.until(&format!("{link} === '{both}'")).await;

    // Renamed where it stands, and taken back at once: no word of the edit that comes late is shown.
    let (url, before) = (best[0]["url"].as_str().unwrap(), best[0]["name"].as_str().unwrap());
    let name = format!("{ROWS}[0].querySelector('th').innerText.trim()");
    let tags = format!("{ROWS}[0].querySelector('[data-cell=tags]').innerText");
    browser.value(&format!(
        "(window.names = [], new MutationObserver(() => {{ const now = {ROWS}[0].querySelector('th a')?.innerText; now && names.at(-1) !== now && names.push(now); }}).observe({GRID}, {{ childList: true, subtree: true }}), 1)"
    )).await;
    browser.press(&format!("{}{}", Key::Home, Key::F2)).await;
    browser.press(&format!("the best{}", Key::Enter)).await;
    browser.until("document.querySelector('[data-role=undo] button')").await;
    browser.press(&format!("{}z{}", Key::Control, Key::Control)).await;
    browser.until(&format!("{name} === '{before}'")).await;
    assert_eq!(site.get(url).json()["name"], before);
    // What the stream tells of later comes after all that it had to tell before.
    assert_eq!(site.send("PATCH", url, &[JSON], b"{\"tags\": [\"last\"]}").status, 200);
    browser.until(&format!("{tags} === 'last'")).await;
    assert_eq!(browser.value("names.filter((name) => name === 'the best')").await, json!(["the best"]));

    // An edit that can't be saved stays until it can, wherever the focus goes.
    let field = "document.querySelector('.in-place input')?.value";
    browser.value(&format!("{GRID}.focus()")).await;
    browser.press(&format!("{}{}", Key::Home, Key::F2)).await;
    browser.value("(window.online = window.fetch, window.fetch = () => Promise.reject(new TypeError('x')), 1)").await;
    browser.press(&format!("kept{}", Key::Enter)).await;
    browser
        .until("document.querySelector('.in-place .field-error')?.innerText.includes('server can\\'t be reached')")
        .await;
    browser.click("#query").await;
    assert_eq!(browser.value(field).await, "kept");
    browser.value("(window.fetch = window.online, document.querySelector('.in-place input').focus())").await;
    browser.press(&Key::Enter.to_string()).await;
    browser.until(&format!("{name} === 'kept' && {field} === undefined")).await;
    assert_eq!(site.get(url).json()["name"], "kept");

    // Another run starts and trains: what is in sight, what is selected and where the focus is stay as they are.
    browser.click("#query").await;
    browser.value("document.querySelector('#query').select()").await;
    browser.press(&Key::Backspace.to_string()).await;
    browser.until(&format!("{COUNT} === '400 runs'")).await;
    browser.click("[data-field=started] a").await;
    browser.until(&format!("location.search.includes('sort=-started') && {ROWS}.length > 10")).await;
    // Another order begins at its top, whenever it comes.
    browser.until(&format!("({SCROLL}.scrollTop = 3600, {ROWS}.some((row) => row.dataset.index === '100'))")).await;
    let seen = "[...document.querySelectorAll('tbody tr[data-run]')].find((row) => row.getBoundingClientRect().top >= document.querySelector('thead th').getBoundingClientRect().bottom - 1).dataset.run";
    let top = browser.value(seen).await;
    browser.value(&format!("{GRID}.focus({{preventScroll: true}})")).await;
    let live = site.start_runs(endless(json!({"variant": "v1.0", "name": "alive"}))).remove(0);
    browser.until(&format!("{COUNT} === '401 runs' && {seen} === {top}")).await;
    assert_eq!(browser.value(&format!("document.activeElement === {GRID}")).await, json!(true));
    assert_eq!(browser.value("document.querySelector('.bulk b').innerText").await, "2 selected");
    browser.value(&format!("({SCROLL}.scrollTop = 0)")).await;
    let row = format!("document.querySelector('tr[data-run=\"{live}\"]')");
    browser.until(&format!("{row}?.querySelector('.status')?.innerText === 'RUNNING'")).await;
    browser.value(&format!("(window.kept = {row}.querySelector('[data-cell=epoch]'))")).await;
    assert_eq!(site.post(&format!("/runs/{live}/stop"), &json!({})).status, 202);
    browser.until(&format!("{row}?.querySelector('.status')?.innerText === 'KILLED'")).await;
    assert_eq!(browser.value(&format!("window.kept === {row}.querySelector('[data-cell=epoch]')")).await, json!(true));

    // Columns are chosen, and remembered.
    browser.click("[data-role=columns-button]").await;
    browser.client.find(Locator::Css(".columns-dialog > input")).await.unwrap().send_keys("Batch size").await.unwrap();
    browser.click(".columns-dialog .others button").await;
    browser.press(&Key::Escape.to_string()).await;
    browser.until("document.querySelector('th[data-field=batch_size]') && !document.querySelector('dialog')").await;
    open(&browser, &site, "/runs").await;
    browser.until(&format!("document.querySelector('th[data-field=batch_size]') && {ROWS}.length > 10")).await;
    let scroller = place_of(&browser, "[data-role=scroll]", 0).await;
    assert!(scroller.x >= 0.0 && scroller.x + scroller.width <= 1440.0, "{scroller:?}");
    browser.assert_silent().await;

    // What changes while no server is there to tell of it is seen when one is back.
    let address = site.address;
    drop(site);
    let another = Site::start(home.path());
    let renamed = another.send("PATCH", &format!("/runs/{live}"), &[JSON], b"{\"name\": \"meanwhile\"}");
    assert_eq!(renamed.status, 200);
    drop(another);
    let _site = Site::with(Config { port: address.port(), ..Config::for_testing(home.path()) }).unwrap();
    browser.until(&format!("{row}?.querySelector('th').innerText.trim() === 'meanwhile'")).await;
    browser.assert_silent_but_for_the_network().await;
}
