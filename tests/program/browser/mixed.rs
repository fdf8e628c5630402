//! Runs beside each other that differ in more than their variant: other images, other lengths, as many as fit.

use super::driver::{Browser, Screen};
use super::{STATE, open};
use crate::images::write_images;
use crate::support::{Site, endless, tiny};
use centerscope::config::{Config, DataArgs};
use fantoccini::key::Key;
use serde_json::json;

#[tokio::test]
async fn a_run_that_turns_out_to_see_other_images_is_not_drawn() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let home = tempfile::tempdir().unwrap();
    let images = home.path().join("images");
    write_images(&images, 3);
    let data = DataArgs { data_dir: Some(images), offline: true };
    let site = Site::with(Config { jobs: 1, data, ..Config::for_testing(&home.path().join("runs")) }).unwrap();
    let generated = site.tiny_run();
    let blocker = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);
    let start = |dataset: &str| site.start_runs(tiny(json!({"variant": "v1.2", "dataset": dataset}))).remove(0);
    let waiting = [start("auto"), start("auto")];

    // What a run was told to take is known before it starts.
    let told = start("mnist");
    assert_eq!(site.get_page(&format!("/compare?runs={generated},{told}")).status, 422);

    let url = format!("/compare?runs={generated},{}&scale=aligned", waiting.join(","));
    open(&browser, &site, &url).await;
    let points = |counts: [usize; 3]| {
        format!(
            "{STATE}?.comparison?.panels.map((panel) => panel.points).join() === '{}'",
            counts.map(|n| n.to_string()).join(",")
        )
    };
    browser.until(&points([2000, 0, 0])).await;
    assert_eq!(site.post(&format!("/runs/{blocker}/stop"), &json!({})).status, 202);
    // Two of three see other images than the first: it is the one that doesn't belong there.
    browser.until(&points([0, 20, 20])).await;
    let notes = browser.value("[...document.querySelectorAll('.plot-note')].map((note) => note.innerText)").await;
    let said = notes[0].as_str().unwrap();
    assert!(
        said.contains(
            "This run sees other images (generated digits) than those beside it (images in MNIST's format (images))"
        ),
        "{notes}"
    );
    assert_eq!((&notes[1], &notes[2]), (&json!(""), &json!("")));
    assert_eq!(site.get_page(&url).status, 422);
    // Nor is the other laid over a plane that nobody sees.
    let axes = "[...document.querySelectorAll('.plot-axes')].map((axes) => axes.innerText)";
    browser.until(&format!("{axes}[1] === 'raw axes, the others are laid over them'")).await;
    browser.until(&format!("{axes}[2].startsWith('laid over ')")).await;
    assert_eq!(browser.value("document.querySelector('[aria-label=\"Laid over\"]').selectedIndex").await, 1);

    // All the others: of the twenty images that are shown.
    browser.click("[title^=\"Select images by label\"]").await;
    browser.until("document.querySelector('.filters select')?.offsetParent").await;
    browser.choose(".filters select", 0, "3").await;
    let selected = format!("{STATE}.comparison.selected");
    browser.until(&format!("{selected} === 2")).await;
    browser.click("[title^=\"Selects all the others\"]").await;
    browser.until(&format!("{selected} === 18")).await;
    browser.assert_silent().await;
}

#[tokio::test]
async fn six_runs_of_unequal_length_share_a_clock() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let mut ids = site.start_runs(tiny(json!({"epochs": 1})));
    ids.extend(site.start_runs(tiny(json!({"epochs": 5}))));
    site.events(&format!("/events?runs={}", ids.join(",")), None).rest();
    open(&browser, &site, &format!("/compare?runs={}", ids.join(","))).await;
    let at = |epoch: usize| {
        format!(
            "{STATE}?.comparison?.panels.every((panel, i) => panel.points === 2000 && panel.epoch === (i < 3 ? 1 : {epoch}))"
        )
    };
    browser.until(&at(5)).await;
    let labels =
        browser.value("[...document.querySelectorAll('[data-panel]')].map((panel) => panel.dataset.label)").await;
    assert_eq!(
        labels,
        json!(["V1.0 epochs 1", "V1.1 epochs 1", "V1.2 epochs 1", "V1.0 epochs 5", "V1.1 epochs 5", "V1.2 epochs 5"]),
        "what follows from the epochs is left out"
    );
    browser.press(&Key::Left).await;
    browser.until(&at(4)).await;
    let sideways = browser.value("document.documentElement.scrollWidth > innerWidth").await;
    assert_eq!(sideways, false);
    // One who selects in a short run's plot selects in all six.
    browser.value("document.querySelector('[data-role=plot]').focus()").await;
    browser.press("++").await;
    browser.press(&Key::Enter).await;
    browser.until(&format!("{STATE}.comparison.panels.every((panel) => panel.highlights)")).await;
    browser.assert_silent().await;
}
