//! The pages as a reader meets them: a real browser, real clicks, and the pixels that come of it.

mod care;
mod clock;
mod driver;
mod mixed;
mod planes;
mod points;
mod rows;
mod run_page;
mod screens;
mod selection;
mod sweep;
mod table;
mod takeaway;
mod touch;

use crate::support::{Site, finished};
use driver::{Browser, Picture};
use serde_json::Value;

/// What the page says of itself for tests: see static/js/inspect.js.
const STATE: &str = "window.centerscope?.state()";
/// Every plot shows its points, and no plot another epoch than the clock.
const ALL_SHOWN: &str = "window.centerscope?.state().comparison?.panels.every((panel, _, all) => \
     panel.points === 2000 && panel.epoch === window.centerscope.state().comparison.epoch)";
/// The points have come to rest, and all but the few outside are drawn.
const ALL_DRAWN: &str =
    "window.centerscope.state().comparison.panels.every((panel) => panel.drawn >= 2000 - panel.outside)";
const PLOT: &str = "[data-role=plot]";
/// After moments of training all points may lie on one line; a plot without points has no coloured pixel.
const MANY_PIXELS: usize = 300;

async fn open(browser: &Browser, site: &Site, target: &str) {
    browser.client.goto(&format!("http://{}{target}", site.address)).await.unwrap();
}

/// Opens the comparison that all tests share, and waits until its points are there.
async fn open_comparison(browser: &Browser) {
    open(browser, &finished().site, &format!("/compare?runs={}", finished().ids.join(","))).await;
    browser.until(ALL_SHOWN).await;
}

fn at_epoch(epoch: u32) -> String {
    format!("{STATE}?.comparison?.epoch === {epoch} && {ALL_SHOWN}")
}

/// What the three plots look like.
async fn plots(browser: &Browser) -> [Picture; 3] {
    [browser.picture(PLOT, 0).await, browser.picture(PLOT, 1).await, browser.picture(PLOT, 2).await]
}

/// Moves the mouse to where nothing answers to it.
async fn away(browser: &Browser) {
    browser.point_at(1.0, 1.0).await;
}

/// An element's place in the window.
#[derive(Debug, serde::Deserialize)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    fn middle(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

async fn place_of(browser: &Browser, selector: &str, n: usize) -> Place {
    let place = format!("document.querySelectorAll('{selector}')[{n}].getBoundingClientRect().toJSON()");
    serde_json::from_value(browser.value(&place).await).unwrap()
}

/// Where plot `n` draws an image.
async fn point_in_plot(browser: &Browser, n: usize, image: usize) -> [f64; 2] {
    serde_json::from_value(browser.value(&format!("{STATE}.comparison.panels[{n}].place_of({image})")).await).unwrap()
}

/// What a run takes each test image for after an epoch, worked out from its files.
fn predictions(site: &Site, id: &str, epoch: usize) -> Vec<u8> {
    let file = site.get(&format!("/runs/{id}/embeddings/{epoch}?split=test&format=npy"));
    let geometry = &site.get(&format!("/runs/{id}")).json()["history"][epoch - 1]["geometry"];
    let number = |value: &Value| value.as_f64().unwrap();
    let of_point = |point: [f32; 2]| {
        let [x, y] = point.map(f64::from);
        let logit = |k: usize| {
            let weight = &geometry["weight"][k];
            number(&weight[0]) * x + number(&weight[1]) * y + number(&geometry["bias"][k])
        };
        (0..10).max_by(|&a, &b| logit(a).total_cmp(&logit(b))).unwrap() as u8
    };
    trainer::npy::to_pairs(&file.body).unwrap().into_iter().map(of_point).collect()
}
