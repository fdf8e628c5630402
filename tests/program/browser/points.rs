//! The points: which classes are shown, and what one of them tells.

use super::driver::{Browser, Screen, hue};
use super::{ALL_DRAWN, PLOT, STATE, away, open_comparison, place_of, plots, point_in_plot, predictions};
use crate::support::finished;
use serde_json::json;

#[tokio::test]
async fn a_class_can_be_hidden() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    let all = plots(&browser).await;
    let labels = finished().site.get("/data/generated/labels/test").body;
    let without = labels.iter().filter(|&&label| label != 3).count();

    browser.click(".chip.class-3").await;
    browser.until(&format!("{STATE}.comparison.panels.every((panel) => panel.drawn <= {without} && panel.drawn >= {without} - panel.outside)")).await;
    let visible = browser.value(&format!("{STATE}.comparison.options.visible.indexOf(false)")).await;
    assert_eq!(visible, 3);
    away(&browser).await;
    for (n, picture) in plots(&browser).await.iter().enumerate() {
        assert_ne!(*picture, all[n], "plot {n} looks the same without a class");
    }

    browser.click(".chip.class-3").await;
    browser.until(ALL_DRAWN).await;
    away(&browser).await;
    assert_eq!(plots(&browser).await, all);

    // A double click shows the class alone: no other colour is left.
    let chip = place_of(&browser, ".chip.class-3", 0).await;
    browser.double_click((chip.x + 8.0, chip.middle())).await;
    browser.until(&format!("{STATE}.comparison.panels.every((panel) => panel.drawn <= {})", 2000 - without)).await;
    let swatch =
        browser.value("getComputedStyle(document.querySelector('.chip.class-3 .swatch')).backgroundColor").await;
    let rgb = swatch.as_str().unwrap().split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    let hue = hue(&rgb.collect::<Vec<u8>>());
    away(&browser).await;
    for (n, picture) in plots(&browser).await.iter().enumerate() {
        assert!(picture.coloured() > 20, "plot {n}: {picture:?}");
        assert!(picture.hues().all(|found| (found - hue).abs() < 20.0), "plot {n} has other hues than {hue}°");
    }
    browser.assert_silent().await;
}

#[tokio::test]
async fn a_point_tells_which_image_it_is_in_every_plot() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    let before = plots(&browser).await;
    let plot = place_of(&browser, PLOT, 0).await;
    let target = point_in_plot(&browser, 0, 7).await;

    browser.point_at((plot.x + target[0]).round(), (plot.y + target[1]).round()).await;
    browser.until(&format!("{STATE}.comparison.marked >= 0")).await;
    let image = browser.value(&format!("{STATE}.comparison.marked")).await.as_u64().unwrap() as usize;
    let place = point_in_plot(&browser, 0, image).await;
    // No card, and no plot's foot, lies behind the clock.
    let covered = "[...document.querySelectorAll('.card:not([hidden]), .plot')].filter((element) => \
         element.getBoundingClientRect().bottom > document.querySelector('.transport').getBoundingClientRect().top).length";
    assert_eq!(browser.value(covered).await, 0);
    assert!((place[0] - target[0]).hypot(place[1] - target[1]) < 2.0, "pointed at {target:?}, marked is {place:?}");

    // The cards: picture, label and prediction of this image, and of no other.
    let pictures = "[...document.querySelectorAll('.card:not([hidden]) img')]";
    browser
        .until(&format!("{pictures}.filter((image) => image.complete && image.naturalWidth === 28).length === 3"))
        .await;
    let sources = browser.value(&format!("{pictures}.map((image) => image.getAttribute('src'))")).await;
    let digest = &finished().site.get(&format!("/runs/{}", finished().ids[0])).json()["data_digest"];
    let source = format!("/data/generated/images/test/{image}.png?digest={}", digest.as_str().unwrap());
    assert_eq!(sources, json!([source, source, source]));
    let cards =
        browser.value("[...document.querySelectorAll('.card:not([hidden])')].map((card) => card.innerText)").await;
    let label = finished().site.get("/data/generated/labels/test").body[image];
    for (n, id) in finished().ids.iter().enumerate() {
        let text = cards[n].as_str().unwrap();
        let prediction = prediction(id, image);
        let said = if prediction == label { "recognised".into() } else { format!("a {label}, taken for {prediction}") };
        assert!(text.starts_with(&label.to_string()) && text.contains(&said), "{text}, not {said}");
        assert!(text.contains(&format!("#{image}")), "{text}");
    }

    // The mark, in every plot where this plot has the image.
    let marked = plots(&browser).await;
    for n in 0..3 {
        let [x, y] = point_in_plot(&browser, n, image).await;
        assert_ne!(marked[n].around(x, y, 14), before[n].around(x, y, 14), "plot {n} marks nothing at {x}, {y}");
    }
    away(&browser).await;
    browser.until(&format!("{STATE}.comparison.marked === -1")).await;
    assert_eq!(plots(&browser).await, before);

    // The wheel belongs to the page; with Ctrl it zooms, but never farther out than all points.
    let turn = |by: i32, more: &str| {
        format!(
            "document.querySelector('{PLOT}').dispatchEvent(new WheelEvent('wheel', {{ deltaY: {by}, cancelable: true, bubbles: true{more} }}))"
        )
    };
    let zoomed = format!("{STATE}.comparison.options.zoomed");
    assert_eq!(browser.value(&turn(-100, "")).await, true, "the page may scroll");
    assert_eq!(browser.value(&zoomed).await, false);
    assert_eq!(browser.value(&turn(-100, ", ctrlKey: true")).await, false);
    assert_eq!(browser.value(&zoomed).await, true);
    for _ in 0..2 {
        browser.value(&turn(100, ", metaKey: true")).await;
        assert_eq!(browser.value(&zoomed).await, false);
    }
    browser.assert_silent().await;
}

/// What a run takes a test image for after its last epoch.
fn prediction(id: &str, image: usize) -> u8 {
    predictions(&finished().site, id, 2)[image]
}
