//! The same pages on a phone, and in light or dark.

use super::driver::{Browser, Screen};
use super::{ALL_SHOWN, PLOT, open, open_comparison, place_of};
use crate::support::finished;
use serde_json::json;

#[tokio::test]
async fn a_phone_shows_the_first_plot_at_once() {
    let Some(browser) = Browser::start(Screen::Phone).await else { return };
    let ids = &finished().ids;
    for page in ["/".to_string(), format!("/runs/{}", ids[0]), format!("/compare?runs={}", ids.join(","))] {
        open(&browser, &finished().site, &page).await;
        browser.until(ALL_SHOWN).await;
        let widths = browser.value("[innerWidth, document.documentElement.scrollWidth]").await;
        assert_eq!(widths, json!([390, 390]), "{page} scrolls sideways");
        if page != "/" {
            let plot = place_of(&browser, PLOT, 0).await;
            assert!(plot.width > 300.0 && plot.height > 300.0, "{page}: {plot:?}");
            assert!(plot.x >= 0.0 && plot.x + plot.width <= 390.0, "{page}: {plot:?}");
            assert!(plot.y >= 0.0 && plot.y + plot.height <= 844.0, "{page}: the first plot is cut off: {plot:?}");
        }
    }
    browser.assert_silent().await;
}

#[tokio::test]
async fn light_or_dark_is_remembered() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    let background = "getComputedStyle(document.body).backgroundColor";
    let (first, plot) = (browser.value(background).await, browser.picture(PLOT, 0).await);

    browser.click("[data-role=theme]").await;
    browser.until(&format!("{background} !== {first}")).await;
    let (second, changed) = (browser.value(background).await, browser.picture(PLOT, 0).await);
    assert_ne!(changed.around(2.0, 2.0, 1), plot.around(2.0, 2.0, 1), "the plot keeps its background");

    browser.client.refresh().await.unwrap();
    browser.until(ALL_SHOWN).await;
    assert_eq!(browser.value(background).await, second);
    browser.click("[data-role=theme]").await;
    browser.until(&format!("{background} === {first}")).await;
    browser.assert_silent().await;
}
