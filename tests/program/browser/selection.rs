//! Images that are selected: by a box, a lasso, what the runs take them for, or by keys alone; and the address that keeps them.

use super::driver::{Browser, Picture, Screen};
use super::{
    ALL_DRAWN, ALL_SHOWN, PLOT, STATE, at_epoch, away, open, open_comparison, place_of, plots, point_in_plot,
    predictions,
};
use crate::support::{Site, finished, tiny};
use fantoccini::key::Key;
use serde_json::{Value, json};

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

fn indices(list: &Value) -> Vec<usize> {
    serde_json::from_value(list.clone()).unwrap()
}
