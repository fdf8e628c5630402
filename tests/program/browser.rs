//! The pages as a reader meets them: a real browser, real clicks, and the pixels that come of it.

mod care;
mod driver;
mod mixed;
mod planes;
mod sweep;
mod table;
mod takeaway;
mod touch;

use crate::support::{Site, endless, finished, tiny};
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

#[tokio::test]
async fn the_same_images_are_selected_in_all_plots_and_in_the_address() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    let before = plots(&browser).await;
    let selected = format!("{STATE}.comparison.selected");
    let highlights = |yes: bool| format!("{STATE}.comparison.panels.every((panel) => panel.highlights === {yes})");

    // A box around an image: what lies in it is selected, and steps forward in every plot.
    browser.click("[title^=\"Dragging selects a box\"]").await;
    let plot = place_of(&browser, PLOT, 0).await;
    let [x, y] = point_in_plot(&browser, 0, 7).await;
    let corner = |by: f64| ((plot.x + x + by).round(), (plot.y + y + by).round());
    browser.drag(corner(-40.0), corner(40.0)).await;
    browser.until(&format!("{selected} > 0 && {}", highlights(true))).await;
    away(&browser).await;
    let selection = indices(&browser.value(&format!("{STATE}.comparison.selection")).await);
    let places_of_first =
        format!("((plot) => Array.from({{ length: 2000 }}, (_, i) => plot.place_of(i)))({STATE}.comparison.panels[0])");
    let places: Vec<[f64; 2]> = serde_json::from_value(browser.value(&places_of_first).await).unwrap();
    for (i, [px, py]) in places.into_iter().enumerate() {
        let from_edge = 40.0 - (px - x).abs().max((py - y).abs());
        assert!(from_edge.abs() < 1.5 || selection.contains(&i) == (from_edge > 0.0), "image {i} at {px}, {py}");
    }
    let picked = plots(&browser).await;
    for n in 0..3 {
        assert_ne!(picked[n], before[n], "plot {n} does not show the selection");
    }

    // It stays when the clock goes on, and a copied address restores all of it.
    browser.press(&Key::Left).await;
    browser.until(&at_epoch(1)).await;
    browser.until(&format!("location.search.includes('epoch=1') && {selected} === {}", selection.len())).await;
    // The plot that was drawn in has the focus, and a frame that says so.
    browser.client.execute("document.activeElement.blur()", vec![]).await.unwrap();
    let earlier = plots(&browser).await;
    browser.client.refresh().await.unwrap();
    browser.until(&at_epoch(1)).await;
    browser.until(&highlights(true)).await;
    assert_eq!(indices(&browser.value(&format!("{STATE}.comparison.selection")).await), selection);
    assert_eq!(browser.value(&format!("{STATE}.comparison.options.tool")).await, "box");
    // By their colours: the page may have been scrolled by a part of a pixel.
    let colours = |plots: &[Picture; 3]| plots.each_ref().map(Picture::coloured);
    assert_eq!(colours(&plots(&browser).await), colours(&earlier));

    // Back undoes the selection, forward does it again.
    browser.client.back().await.unwrap();
    browser.until(&format!("{selected} === 0 && {} && {}", highlights(false), at_epoch(2))).await;
    assert_eq!(colours(&plots(&browser).await), colours(&before));
    browser.client.execute("history.forward()", vec![]).await.unwrap();
    browser.until(&format!("{selected} === {} && {}", selection.len(), at_epoch(1))).await;
    browser.press(&Key::End).await;
    browser.until(&at_epoch(2)).await;

    // By what the runs take them for: as the runs' files say.
    browser.press(&Key::Escape).await;
    browser.until(&format!("{selected} === 0")).await;
    browser.click("[title^=\"Select images by label\"]").await;
    browser.until("document.querySelector('.filters select')?.offsetParent").await;
    browser.choose(".filters select", 1, "wrong").await;
    browser.choose(".filters select", 3, "right").await;
    let labels = finished().site.get("/data/generated/labels/test").body;
    let [first, third] = [0, 2].map(|n| predictions(&finished().site, &finished().ids[n], 2));
    let expected = (0..2000).filter(|&i| first[i] != labels[i] && third[i] == labels[i]).count();
    assert!(expected > 0);
    // The page has coordinates of 16 bits: an image on a border may fall to the other side.
    browser.until(&format!("Math.abs({selected} - {expected}) <= 3")).await;
    let found = browser.value(&selected).await.as_u64().unwrap();
    let text = "document.querySelector('[data-role=selection]').innerText";
    let said = browser.value(text).await;
    assert!(said.as_str().unwrap().contains("wrong in shared · V1.0, right in shared · V1.2 after epoch 2"), "{said}");

    // All the others: more than fit the strip, which scrolls through them with few elements.
    browser.click("[title^=\"Selects all the others\"]").await;
    browser.until(&format!("{selected} === 2000 - {found}")).await;
    browser.until("document.querySelectorAll('.cell').length > 20").await;
    assert!(browser.value("document.querySelectorAll('.cell').length").await.as_u64().unwrap() < 150);
    browser.client.execute("document.querySelector('.strip').scrollLeft = 1e6", vec![]).await.unwrap();
    browser.until(&format!("document.querySelector('.cell[aria-posinset=\"{}\"]')", 2000 - found)).await;
    let sheets = "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/sheet/') && entry.responseEnd > 0)";
    browser.until(&format!("{sheets}.length >= 2")).await;

    // By label and prediction; copied, and as a file.
    browser.press(&Key::Escape).await;
    browser.until(&format!("{selected} === 0")).await;
    let of = |label: u8, guess: u8| (0..2000).filter(|&i| labels[i] == label && third[i] == guess).collect::<Vec<_>>();
    let pairs = (0..100u8).map(|pair| (pair / 10, pair % 10)).filter(|(label, guess)| label != guess);
    let (label, guess) = pairs.max_by_key(|&(label, guess)| of(label, guess).len()).unwrap();
    browser.choose(".filters select", 0, &label.to_string()).await;
    browser.choose(".filters select", 3, &guess.to_string()).await;
    let taken = format!("d{label}_p2{guess}_e2");
    browser.until(&format!("{STATE}.comparison.rule === '{taken}'")).await;
    let picked = indices(&browser.value(&format!("{STATE}.comparison.selection")).await);
    let expected = of(label, guess);
    assert!(picked.len().abs_diff(expected.len()) <= 3, "{picked:?}, not {expected:?}");
    let told = "document.querySelector('[data-role=announcement]').innerText";
    browser.until(&format!("{told}.startsWith('{} of ')", picked.len())).await;
    browser
        .value(
            "(() => { navigator.clipboard.writeText = async (text) => { window.copied = text; }; \
             URL.createObjectURL = (blob) => (blob.text().then((text) => { window.csv = text; }), 'blob:none'); \
             HTMLAnchorElement.prototype.click = () => {}; })()",
        )
        .await;
    browser.click("[title^='Copies the images']").await;
    browser.click("[title^='Downloads indices']").await;
    let listed = picked.iter().map(usize::to_string).collect::<Vec<_>>();
    browser.until(&format!("window.copied === '{}'", listed.join(","))).await;
    browser.until("window.csv").await;
    let csv = browser.value("window.csv").await;
    let lines = csv.as_str().unwrap().lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    for (line, index) in lines.zip(&listed) {
        // Index, label; prediction, x and y of each run.
        let found = (line[0], line[1], line[8]);
        assert_eq!(found, (index.as_str(), label.to_string().as_str(), guess.to_string().as_str()));
    }

    // By keys alone: a class by itself, then what of it is in view, then all the others that are shown.
    browser.press(&Key::Escape).await;
    browser.until(&format!("{selected} === 0")).await;
    browser.value("document.querySelector('.chip.class-3').focus()").await;
    browser.press(&format!("{}{}", char::from(Key::Alt), char::from(Key::Enter))).await;
    let alone = labels.iter().filter(|&&label| label == 3).count();
    browser.until(&format!("{STATE}.comparison.panels.every((panel) => panel.drawn <= {alone})")).await;
    browser.value("document.querySelector('[data-role=plot]').focus()").await;
    browser.press("++").await;
    browser.press(&Key::Enter).await;
    browser.until(&format!("{selected} > 0 && {selected} < {alone}")).await;
    let some = browser.value(&selected).await.as_u64().unwrap() as usize;
    browser.until("document.querySelector('[title^=\"Selects all the others\"]')?.offsetParent").await;
    browser.click("[title^=\"Selects all the others\"]").await;
    browser.until(&format!("{selected} === {alone} - {some}")).await;

    // A lasso: what lies inside of it.
    browser.press(&Key::Escape).await;
    browser.until(&format!("{selected} === 0")).await;
    browser.click(".chips .quiet").await;
    browser.click("[title^=\"Reset the view\"]").await;
    browser.click("[title^=\"Dragging selects points\"]").await;
    browser.until(ALL_DRAWN).await;
    browser.value("document.querySelector('[data-role=plot]').scrollIntoView({block: 'center'})").await;
    let plot = place_of(&browser, PLOT, 0).await;
    let [x, y] = point_in_plot(&browser, 0, 7).await;
    let at = |right: f64, down: f64| ((plot.x + x + right).round(), (plot.y + y + down).round());
    browser.draw(&[at(-50.0, 0.0), at(0.0, -50.0), at(50.0, 0.0), at(0.0, 50.0), at(-50.0, 2.0)]).await;
    browser.until(&format!("{selected} > 0")).await;
    let selection = indices(&browser.value(&format!("{STATE}.comparison.selection")).await);
    let places: Vec<[f64; 2]> = serde_json::from_value(browser.value(&places_of_first).await).unwrap();
    for (i, [px, py]) in places.into_iter().enumerate() {
        let from_edge = 50.0 - (px - x).abs() - (py - y).abs();
        assert!(from_edge.abs() < 4.0 || selection.contains(&i) == (from_edge > 0.0), "image {i} at {px}, {py}");
    }

    // What changed since the epoch before, and one press that selects it: in a run that has learned something.
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.start_runs(tiny(json!({"variant": "v1.2", "train_images": 512}))).remove(0);
    site.events(&format!("/runs/{id}/events"), None).rest();
    open(&browser, &site, &format!("/runs/{id}")).await;
    browser.until(ALL_SHOWN).await;
    let [before, now] = [1, 2].map(|epoch| predictions(&site, &id, epoch));
    let gained = (0..2000).filter(|&i| now[i] == labels[i] && before[i] != labels[i]).count();
    assert!(gained > 3);
    let number = "Number(document.querySelector('[data-role=gained]').innerText.replace(/\\D/g, ''))";
    browser.until(&format!("Math.abs({number} - {gained}) <= 3")).await;
    let shown = browser.value(number).await;
    browser.client.execute("document.querySelector('[data-role=gained]').focus()", vec![]).await.unwrap();
    browser.press(&Key::Enter).await;
    browser.until(&format!("{selected} === {shown} && {STATE}.comparison.rule === 'g0_e2'")).await;
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

    // In a low window, too, all of it stands above the clock.
    browser.client.set_window_size(1440, 800).await.unwrap();
    let row = place_of(&browser, "[data-role=confusion] tbody tr", 9).await;
    assert!(row.height >= 24.0, "{row:?}");
    let under = "document.querySelector('[data-role=confusion]').getBoundingClientRect().bottom - document.querySelector('.transport').getBoundingClientRect().top";
    browser.until(&format!("{under} <= 0")).await;

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

fn indices(list: &Value) -> Vec<usize> {
    serde_json::from_value(list.clone()).unwrap()
}

/// What a run takes a test image for after its last epoch.
fn prediction(id: &str, image: usize) -> u8 {
    predictions(&finished().site, id, 2)[image]
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
