//! What is laid over the points, and where a drawn digit lands.

use super::driver::{Browser, PATIENCE, Screen};
use super::{ALL_DRAWN, ALL_SHOWN, PLOT, STATE, at_epoch, away, open, open_comparison, place_of, plots, point_in_plot};
use crate::support::finished;
use fantoccini::key::Key;
use serde_json::{Value, json};
use std::time::Instant;

/// Presses the button of this text.
async fn press_button(browser: &Browser, text: &str) {
    let button = format!("[...document.querySelectorAll('button')].find((b) => b.textContent === '{text}')");
    browser.value(&format!("{button}.click()")).await;
}

/// Two alignments are one: a whole number comes back from JavaScript as another kind of number.
fn assert_same(shown: &Value, served: &Value) {
    for name in ["scale", "rotation_degrees", "residual"] {
        assert_eq!(shown[name].as_f64().unwrap(), served[name].as_f64().unwrap(), "{name} of {shown} and {served}");
    }
}

#[tokio::test]
async fn regions_shading_trails_and_alignment_follow_the_clock() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    away(&browser).await;
    let plain = plots(&browser).await;
    for (button, option) in [("Regions", "regions"), ("Probability", "shading"), ("Trails", "trails")] {
        press_button(&browser, button).await;
        browser.until(&format!("{STATE}.comparison.options.{option}")).await;
        away(&browser).await;
        // What draws it may have to be fetched first.
        let end = Instant::now() + PATIENCE;
        while plots(&browser).await.iter().zip(&plain).any(|(now, plain)| now == plain) {
            assert!(Instant::now() < end, "a plot looks the same with {button}");
        }
        press_button(&browser, button).await;
        browser.until(&format!("!{STATE}.comparison.options.{option}")).await;
    }
    away(&browser).await;
    // A canvas drawn over again may differ in a few pixels of its edges; a layer left on it would be thousands.
    for (n, picture) in plots(&browser).await.iter().enumerate() {
        assert!(picture.coloured().abs_diff(plain[n].coloured()) < 20, "plot {n}: {picture:?}, not {:?}", plain[n]);
    }

    // Regions by themselves, without a point: they are each epoch's own.
    for k in 0..10 {
        browser.value(&format!("document.querySelector('.chip.class-{k}').click()")).await;
        browser.until(&format!("!{STATE}.comparison.options.visible[{k}]")).await;
    }
    press_button(&browser, "Centers").await;
    press_button(&browser, "Regions").await;
    let bare = async || {
        browser.until(&format!("{STATE}.comparison.panels.every((panel) => panel.drawn === 0)")).await;
        away(&browser).await;
        plots(&browser).await
    };
    let newest = bare().await;
    browser.value("document.activeElement.blur()").await;
    browser.press(&Key::Left).await;
    browser.until(&at_epoch(1)).await;
    for (n, picture) in bare().await.iter().enumerate() {
        assert!(picture.differing(&newest[n], 8) > 0.02, "plot {n} has the same regions after another epoch");
    }
    browser.press(&Key::Right).await;
    browser.until(&at_epoch(2)).await;
    press_button(&browser, "Regions").await;
    press_button(&browser, "Centers").await;
    press_button(&browser, "All").await;
    browser.until(ALL_DRAWN).await;

    // Laid over the second run: its own plane stays, the others move, and their labels say how.
    let before = point_in_plot(&browser, 1, 7).await;
    press_button(&browser, "Aligned").await;
    let select = "document.querySelector('[aria-label=\"Laid over\"]')";
    browser.value(&format!("({select}.selectedIndex = 1, {select}.dispatchEvent(new Event('change')))")).await;
    let aligned = |epoch: u32| {
        format!("{} && {STATE}.comparison.panels.every((p, i) => (p.aligned === null) === (i === 1))", at_epoch(epoch))
    };
    browser.until(&aligned(2)).await;
    let ids = &finished().ids;
    let served = |epoch: u32| {
        let target = format!("/compare/alignment?runs={}&reference={}&epoch={epoch}", ids.join(","), ids[1]);
        finished().site.get(&target).json()["alignments"].clone()
    };
    let shown = format!("{STATE}.comparison.panels.map((panel) => panel.aligned)");
    let maps = browser.value(&shown).await;
    for n in [0, 2] {
        assert_same(&maps[n], &served(2)[n]["alignment"]);
    }
    let labels = browser.value("[...document.querySelectorAll('.plot-axes')].map((e) => e.innerText)").await;
    assert!(labels[0].as_str().unwrap().starts_with("laid over V1.1: "), "{labels}");
    assert!(labels[0].as_str().unwrap().contains("residual 0."), "{labels}");
    assert!(labels[1].as_str().unwrap().starts_with("raw axes"), "{labels}");

    // The address keeps it, and each epoch has a map of its own.
    browser.value("document.activeElement.blur()").await;
    browser.press(&Key::Left).await;
    browser.until(&aligned(1)).await;
    browser.until("location.search.includes('epoch=1')").await;
    browser.client.refresh().await.unwrap();
    browser.until(&aligned(1)).await;
    assert_same(&browser.value(&shown).await[2], &served(1)[2]["alignment"]);
    browser.press(&Key::Right).await;
    browser.until(&aligned(2)).await;
    press_button(&browser, "Own").await;
    browser.until(&format!("{ALL_SHOWN} && {STATE}.comparison.panels.every((panel) => panel.aligned === null)")).await;
    assert_eq!(point_in_plot(&browser, 1, 7).await, before);
    browser.assert_silent().await;
}

#[tokio::test]
async fn a_drawn_digit_lands_in_every_plot() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let done = finished();
    open(&browser, &done.site, &format!("/compare?runs={}&draw=1", done.ids.join(","))).await;
    browser.until(&format!("{ALL_SHOWN} && {STATE}.comparison.drawing")).await;
    let plain = plots(&browser).await;
    let answers = format!("{STATE}.comparison.drawing.answers");
    let at = |epoch: u32| format!("{answers}.every((answer) => answer?.epoch === {epoch})");

    // A test image, as it is, lands on its own point.
    press_button(&browser, "Test image").await;
    let number = "document.querySelector('.pick-image input')";
    browser.value(&format!("({number}.value = 7, {number}.dispatchEvent(new Event('change')))")).await;
    browser.until(&format!("{STATE}.comparison.drawing.image === 7 && {}", at(2))).await;
    let seen = browser.value(&answers).await;
    for (n, id) in done.ids.iter().enumerate() {
        let file = done.site.get(&format!("/runs/{id}/embeddings/2?format=npy")).body;
        let [x, y] = trainer::npy::to_pairs(&file).unwrap()[7].map(f64::from);
        let place = serde_json::from_value::<[f64; 2]>(seen[n]["embedding"].clone()).unwrap();
        assert!((place[0] - x).hypot(place[1] - y) < 1e-4 * x.hypot(y), "plot {n}: {place:?}, not {x}, {y}");
        let [left, top] = point_in_plot(&browser, n, 7).await;
        let marked = browser.picture(PLOT, n).await;
        assert_ne!(marked.around(left, top, 10), plain[n].around(left, top, 10), "plot {n} has no marker");
    }
    browser.until("document.querySelectorAll('.draw-result .near img').length === 18").await;

    // Spoilt, it lands elsewhere; the clock takes it to the other epoch's networks.
    let slider = "document.querySelector('.spoil [name=degrees]')";
    browser.value(&format!("({slider}.value = 60, {slider}.dispatchEvent(new Event('input')))")).await;
    browser.until(&format!("{answers}[0] && {answers}[0].embedding[0] !== {}", seen[0]["embedding"][0])).await;
    browser.value("document.activeElement.blur()").await;
    // The reader hears of what is put in, not of what the clock does to it.
    browser.value("(() => { document.querySelector('[data-role=announcement]').textContent = ''; })()").await;
    browser.press(&Key::Left).await;
    browser.until(&at(1)).await;
    assert_eq!(browser.value("document.querySelector('[data-role=announcement]').innerText").await, "");

    // Drawn by hand, far off the middle: the networks see it in MNIST's layout.
    press_button(&browser, "Draw").await;
    browser.until(&format!("{answers}.every((answer) => answer === null)")).await;
    browser.value("document.querySelector('.sketch').scrollIntoView({block: 'center'})").await;
    let pad = place_of(&browser, ".sketch", 0).await;
    browser.drag((pad.x + 30.0, pad.y + 30.0), (pad.x + 30.0, pad.y + 120.0)).await;
    browser.until(&at(1)).await;
    browser.until("document.querySelector('[data-role=announcement]').innerText.split(', ').length === 3").await;
    let pixels = browser.value(&format!("{answers}[0].pixels")).await;
    let pixels = serde_json::from_value::<Vec<u8>>(pixels).unwrap();
    let rows =
        (0..28).filter(|row| pixels[28 * row..28 * (row + 1)].iter().any(|&grey| grey > 100)).collect::<Vec<_>>();
    assert!((19..=20).contains(&rows.len()) && (3..=5).contains(&rows[0]), "inked rows: {rows:?}");

    // Where there is little room a long name takes two lines, and the plots still stand in line.
    browser
        .value("(() => { document.querySelector('.panel-head a').textContent = 'a long name '.repeat(6); })()")
        .await;
    let tops = "[...document.querySelectorAll('.plot')].map((plot) => plot.getBoundingClientRect().top)";
    browser.until(&format!("new Set({tops}).size === 1")).await;
    let heights = "[...document.querySelectorAll('.panel-head a')].map((name) => name.offsetHeight)";
    let heights = serde_json::from_value::<[f64; 3]>(browser.value(heights).await).unwrap();
    assert!(heights[0] > 1.3 * heights[1], "{heights:?}");

    press_button(&browser, "Clear").await;
    browser.until(&format!("{answers}.every((answer) => answer === null)")).await;
    browser.press(&Key::Right).await;
    browser.until(&at_epoch(2)).await;
    browser.value("scrollTo(0, 0)").await;
    away(&browser).await;
    assert_eq!(plots(&browser).await, plain);
    press_button(&browser, "Draw a digit").await;
    browser.until("document.querySelector('[data-role=draw]').hidden").await;
    let state = browser.value(&format!("{STATE}.comparison.options.draw")).await;
    assert_eq!(state, Value::Bool(false));
    assert_eq!(browser.value("document.querySelectorAll('.draw-result:not([hidden])').length").await, json!(0));
    browser.assert_silent().await;
}
