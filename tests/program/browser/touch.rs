//! Fingers on a phone: what they scroll, zoom, select, scrub and draw.

use super::driver::{Browser, Screen};
use super::{ALL_SHOWN, PLOT, STATE, at_epoch, open, place_of, point_in_plot};
use crate::support::finished;
use std::f64::consts::TAU;

/// Taps the first element of a selector that shows this text.
async fn tap(browser: &Browser, selector: &str, text: &str) {
    let place = browser
        .value(&format!(
            "(({{ x, y, width, height }}) => [x + width / 2, y + height / 2])([...document.querySelectorAll('{selector}')] \
             .find((e) => e.innerText.includes('{text}')).getBoundingClientRect())"
        ))
        .await;
    let [x, y] = serde_json::from_value(place).unwrap();
    browser.fingers(&[&[(x, y)]]).await;
}

/// Scrolls so that a selector's first element begins `above` pixels under the window's top.
async fn bring(browser: &Browser, selector: &str, above: u32) {
    let script = format!(
        "scrollTo({{ behavior: 'instant', top: scrollY - {above} + document.querySelector('{selector}').getBoundingClientRect().y }})"
    );
    browser.client.execute(&script, vec![]).await.unwrap();
}

#[tokio::test]
async fn fingers_on_a_phone() {
    let Some(browser) = Browser::start(Screen::Phone).await else { return };
    let ids = &finished().ids;
    open(&browser, &finished().site, &format!("/compare?runs={}", ids.join(","))).await;
    browser.until(ALL_SHOWN).await;
    let zoomed = format!("{STATE}.comparison.panels[0].view");

    // One finger on a plot scrolls the page, and leaves the plot as it is.
    let plot = place_of(&browser, PLOT, 0).await;
    let (x, y) = (plot.x + plot.width / 2.0, plot.middle());
    let path = (0..12).map(|k| (x + f64::from(k), y + 100.0 - 16.0 * f64::from(k))).collect::<Vec<_>>();
    browser.fingers(&[&path]).await;
    browser.until("scrollY > 40").await;
    assert!(browser.value(&zoomed).await.is_null(), "a page that is scrolled moves the plot");

    // Two of them zoom into it, and then one moves it.
    browser.client.execute("scrollTo({ top: 0, behavior: 'instant' })", vec![]).await.unwrap();
    browser.until("scrollY === 0").await;
    let apart = |side: f64| (0..6).map(|k| (x + side * (30.0 + 18.0 * f64::from(k)), y)).collect::<Vec<_>>();
    browser.fingers(&[&apart(-1.0), &apart(1.0)]).await;
    browser.until(&zoomed).await;
    let near = browser.value(&format!("{zoomed}.cx")).await;
    browser.fingers(&[&[(x, y), (x + 30.0, y + 40.0), (x + 60.0, y + 80.0)]]).await;
    browser.until(&format!("{zoomed}.cx < {near}")).await;
    assert_eq!(browser.value("scrollY").await, 0, "the page moves with a plot that is zoomed");

    // The controls come up, and go when a finger turns to the plots.
    let open_drawer = "document.querySelector('.drawer').classList.contains('open')";
    tap(&browser, ".opener", "Controls").await;
    browser.until(open_drawer).await;
    tap(&browser, ".controls button", "Reset").await;
    browser.until(&format!("!{zoomed}")).await;
    tap(&browser, ".controls button", "Lasso").await;
    browser.until(&format!("{STATE}.comparison.options.tool === 'lasso'")).await;
    browser.fingers(&[&[(x, plot.y + 10.0)]]).await;
    browser.until(&format!("!{open_drawer}")).await;

    // A lasso selects, the bar says what; a tap still points.
    let ring = (0..16).map(|k| f64::from(k) * TAU / 16.0).map(|a| (x + 150.0 * a.cos(), y + 120.0 * a.sin()));
    browser.fingers(&[&ring.collect::<Vec<_>>()]).await;
    browser.until(&format!("{STATE}.comparison.selected > 100")).await;
    let selected = browser.value(&format!("{STATE}.comparison.selected")).await;
    let said = "document.querySelector('.transport .picked button').innerText.replace(/\\s/g, '')";
    browser.until(&format!("{said} === '{selected}of2000testimagesselected'")).await;
    let [left, top] = point_in_plot(&browser, 0, 7).await;
    browser.fingers(&[&[(plot.x + left, plot.y + top)]]).await;
    browser.until(&format!("{STATE}.comparison.marked >= 0")).await;

    // So does one on an image of the strip, and it stays when the finger is lifted.
    browser.until("document.querySelector('.strip .cell')").await;
    bring(&browser, ".strip", 200).await;
    tap(&browser, ".strip .cell", "").await;
    let first = browser.value(&format!("{STATE}.comparison.selection[0]")).await;
    browser.until(&format!("{STATE}.comparison.marked === {first}")).await;
    let about = browser.value("document.querySelector('.strip-about').innerText").await;
    assert!(about.as_str().unwrap().starts_with(&format!("#{first}, a ")), "{about}");

    // The clock is dragged, wherever the finger wanders.
    browser.client.execute("scrollTo({ top: 0, behavior: 'instant' })", vec![]).await.unwrap();
    let lanes = place_of(&browser, ".lanes", 0).await;
    let end = lanes.x + lanes.width - 4.0;
    browser.fingers(&[&[(end, lanes.middle()), (lanes.x + 90.0, lanes.middle() - 30.0), (lanes.x + 4.0, 300.0)]]).await;
    browser.until(&at_epoch(1)).await;

    // A cell of a matrix selects its images and says so where it stands.
    bring(&browser, "[data-role=matrices]", 100).await;
    tap(&browser, "[data-role=matrices] summary", "").await;
    browser.until("document.querySelector('.matrices button:enabled')").await;
    tap(&browser, ".matrices button:enabled", "").await;
    let count = browser.value("Number(document.querySelector('.matrices button:enabled').innerText)").await;
    browser.until(&format!("{STATE}.comparison.selected === {count}")).await;
    browser
        .until(&format!("document.querySelector('.matrices-sheet .picked').innerText.startsWith('{count} of')"))
        .await;

    // A digit is drawn with a finger, and the page keeps still meanwhile.
    browser.client.execute("scrollTo({ top: 0, behavior: 'instant' })", vec![]).await.unwrap();
    tap(&browser, ".opener", "Controls").await;
    tap(&browser, ".controls button", "Draw a digit").await;
    browser.until(&format!("{STATE}.comparison.drawing && document.querySelector('.sketch')")).await;
    let pad = place_of(&browser, ".sketch", 0).await;
    let stroke = (0..10).map(|k| (pad.x + pad.width / 2.0, pad.y + 20.0 + 14.0 * f64::from(k))).collect::<Vec<_>>();
    browser.fingers(&[&stroke]).await;
    browser.until(&format!("{STATE}.comparison.drawing.answers.every((answer) => answer?.epoch === 1)")).await;
    assert_eq!(place_of(&browser, ".sketch", 0).await.y, pad.y, "the pad moves under the finger");
    browser.assert_silent().await;
}
