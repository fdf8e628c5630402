//! Epochs as they come, and the clock that all plots and curves follow.

use super::driver::{Browser, Screen};
use super::{ALL_DRAWN, ALL_SHOWN, MANY_PIXELS, PLOT, STATE, at_epoch, away, open, open_comparison, place_of, plots};
use crate::support::{Site, endless};
use centerscope::config::Config;
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

#[tokio::test]
async fn a_comparison_started_from_the_form_comes_alive() {
    let Some(browser) = Browser::start(Screen::Moving).await else { return };
    let home = tempfile::tempdir().unwrap();
    let site = Site::with(Config { jobs: 1, ..Config::for_testing(home.path()) }).unwrap();
    // Takes the only place, so that no epoch of the comparison is over before its page is open.
    let first = site.start_runs(endless(json!({"variant": "v1.0"}))).remove(0);

    open(&browser, &site, "/").await;
    browser.until(&format!("{STATE}?.received.progress > 0")).await;
    browser.click(".advanced summary").await;
    let form = browser.client.form(Locator::Css("[data-run-form]")).await.unwrap();
    for (field, value) in
        [("name", "by hand"), ("epochs", "2"), ("train_images", "256"), ("batch_size", "64"), ("width", "0.03125")]
    {
        form.set_by_name(field, value).await.unwrap();
    }
    browser.client.find(Locator::Css("[name=dataset]")).await.unwrap().select_by_value("generated").await.unwrap();
    browser.click("[data-role=submit]").await;

    browser.until(&format!("location.pathname === '/compare' && {STATE}?.connection === 'live'")).await;
    browser.until("document.querySelector('.panels').innerText.split('Waiting for its turn').length - 1 === 3").await;
    assert_eq!(browser.value(&format!("{STATE}.received.epoch ?? 0")).await, 0);

    assert_eq!(site.post(&format!("/runs/{first}/stop"), &json!({})).status, 202);
    browser.until(&format!("{STATE}?.comparison.panels[0].points === 2000")).await;
    browser.until(&format!("{STATE}?.connection === 'ended'")).await;
    browser.until(ALL_SHOWN).await;
    browser.until(ALL_DRAWN).await;
    let state = browser.value(STATE).await;
    // Counted since the page was opened: all six came while it was, and it was never loaded anew.
    assert_eq!((&state["received"]["epoch"], &state["received"]["finished"]), (&json!(6), &json!(3)), "{state}");
    // Without the discs of the centers, so that all colour comes from points.
    browser.click(".segments.loose button").await;
    browser.until(&format!("!{STATE}.comparison.options.centers")).await;
    for (n, panel) in state["comparison"]["panels"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&panel["epoch"], &panel["epochs_received"]), (&json!(2), &json!(2)), "{panel}");
        assert!(panel["outside"].as_u64().unwrap() < 100, "{panel}");
        let pixels = browser.picture(PLOT, n).await.coloured();
        assert!(pixels > MANY_PIXELS, "plot {n} has {pixels} coloured pixels");
    }
    for chart in ["[data-chart=loss]", "[data-chart=accuracy]"] {
        let pixels = browser.picture(chart, 0).await.coloured();
        assert!(pixels > 200, "{chart} has {pixels} coloured pixels");
    }
    browser.assert_silent().await;
}

#[tokio::test]
async fn earlier_epochs_are_shown_again() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    let newest = plots(&browser).await;

    browser.press(&Key::Left).await;
    browser.until(&at_epoch(1)).await;
    let earlier = plots(&browser).await;
    for n in 0..3 {
        assert_ne!(earlier[n], newest[n], "plot {n} looks the same after another epoch");
        assert!(earlier[n].coloured() > MANY_PIXELS, "{:?}", earlier[n]);
    }
    let text = browser.value("[...document.querySelectorAll('[data-role=epoch]')].map((e) => e.innerText)").await;
    assert_eq!(text, json!(["1 / 2", "1 / 2", "1 / 2"]));
    // The address keeps the moment, so that it can be sent to somebody.
    browser.client.refresh().await.unwrap();
    browser.until(&at_epoch(1)).await;
    assert_eq!(plots(&browser).await, earlier);

    // The slider: its right end is the last epoch.
    let slider = place_of(&browser, ".scrubber .lanes", 0).await;
    browser.drag((slider.x + 2.0, slider.middle()), (slider.x + slider.width - 2.0, slider.middle())).await;
    browser.until(&at_epoch(2)).await;
    away(&browser).await;
    assert_eq!(plots(&browser).await, newest);
    browser.assert_silent().await;
}

#[tokio::test]
async fn one_clock_moves_all_plots_and_curves() {
    let Some(browser) = Browser::start(Screen::Moving).await else { return };
    open_comparison(&browser).await;
    browser.press(&Key::Home).await;
    browser.until(&at_epoch(1)).await;

    // Between two epochs, as long as it is held there.
    let slider = place_of(&browser, ".scrubber .lanes", 0).await;
    let at = |share: f64| (slider.x + slider.width * share, slider.middle());
    browser.hold(at(0.6), at(0.8)).await;
    browser.until(&format!("Math.abs({STATE}.comparison.at - 1.6) < 0.02")).await;
    browser.let_go().await;
    browser.until(&format!("{STATE}.comparison.at === 2 && {}", at_epoch(2))).await;

    // A curve that is pointed at shows its epoch everywhere, for that long.
    let scroll = "document.querySelector('[data-chart=accuracy]').scrollIntoView()";
    browser.client.execute(scroll, vec![]).await.unwrap();
    let curve = place_of(&browser, "[data-chart=accuracy] .u-over", 0).await;
    browser.point_at((curve.x + curve.width / 2.0).round(), curve.middle().round()).await;
    browser.until(&format!("{STATE}.comparison.previewing && {}", at_epoch(1))).await;
    away(&browser).await;
    browser.until(&format!("!{STATE}.comparison.previewing && {}", at_epoch(2))).await;

    // Played from the start to the end.
    browser.client.execute("document.querySelector('.scrubber').focus()", vec![]).await.unwrap();
    browser.press(" ").await;
    browser.until(&format!("{STATE}.comparison.playing && {STATE}.comparison.at % 1 > 0.2")).await;
    browser.until(&format!("!{STATE}.comparison.playing && {}", at_epoch(2))).await;
    browser.assert_silent().await;
}
