//! The pages as a reader meets them: a real browser, real clicks, and the pixels that come of it.

mod driver;

use crate::support::{Site, endless, finished};
use centerscope::config::Config;
use driver::{Browser, Picture, Screen, hue};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

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
    assert!((place[0] - target[0]).hypot(place[1] - target[1]) < 2.0, "pointed at {target:?}, marked is {place:?}");

    // The cards: picture, label and prediction of this image, and of no other.
    let pictures = "[...document.querySelectorAll('.card:not([hidden]) img')]";
    browser
        .until(&format!("{pictures}.filter((image) => image.complete && image.naturalWidth === 28).length === 3"))
        .await;
    let sources = browser.value(&format!("{pictures}.map((image) => image.getAttribute('src'))")).await;
    let source = format!("/data/generated/images/test/{image}.png");
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
    browser.assert_silent().await;
}

#[tokio::test]
async fn the_page_of_a_run_has_its_matrix_and_its_files() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let (site, id) = (&finished().site, &finished().ids[0]);
    open(&browser, site, &format!("/runs/{id}")).await;
    browser.until(ALL_SHOWN).await;

    let cells = "[...document.querySelectorAll('[data-role=confusion] button')].map((b) => Number(b.innerText) || 0)";
    browser.until(&format!("{cells}.length === 100")).await;
    let cells = serde_json::from_value::<Vec<u64>>(browser.value(cells).await).unwrap();
    assert_eq!(cells.iter().sum::<u64>(), 2000);
    let right = cells.iter().step_by(11).sum::<u64>();
    let accuracy = browser.value("document.querySelector('[data-role=accuracy]').innerText").await;
    let percent = format!("{:.2}", right as f64 / 20.0);
    assert!(accuracy.as_str().unwrap().starts_with(&percent), "{accuracy} beside a matrix of {percent} %");

    // The largest cell selects its images.
    let largest = (0..100).max_by_key(|&i| cells[i]).unwrap();
    let button = format!("[data-role=confusion] [data-label=\"{}\"][data-guess=\"{}\"]", largest / 10, largest % 10);
    browser.click(&button).await;
    browser.until(&format!("{STATE}.comparison.selected === {}", cells[largest])).await;

    let name = "embeddings/test-0002.npy";
    let link =
        format!("[...document.querySelectorAll('[data-role=artifacts] a')].find((a) => a.innerText === '{name}')");
    let href = browser.value(&format!("{link}?.download === '' && {link}.getAttribute('href')")).await;
    let file = site.get(href.as_str().expect("a link that downloads"));
    assert!(file.header("content-disposition").starts_with("attachment"), "{}", file.header("content-disposition"));
    assert_eq!(trainer::npy::to_pairs(&file.body).expect("a NumPy file").len(), 2000);
    browser.assert_silent().await;
}

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

/// What a run takes a test image for after its last epoch, worked out from its files.
fn prediction(id: &str, image: usize) -> u8 {
    let site = &finished().site;
    let file = site.get(&format!("/runs/{id}/embeddings/2?split=test&format=npy"));
    let [x, y] = trainer::npy::to_pairs(&file.body).unwrap()[image].map(f64::from);
    let geometry = &site.get(&format!("/runs/{id}")).json()["history"][1]["geometry"];
    let number = |value: &Value| value.as_f64().unwrap();
    let logit = |k: usize| {
        let weight = &geometry["weight"][k];
        number(&weight[0]) * x + number(&weight[1]) * y + number(&geometry["bias"][k])
    };
    (0..10).max_by(|&a, &b| logit(a).total_cmp(&logit(b))).unwrap() as u8
}
