//! What can be taken away from a comparison: pictures, tables, and the whole of it in one file.

use super::driver::{Browser, Screen};
use super::{ALL_SHOWN, PLOT, STATE, at_epoch, away, open_comparison, place_of, plots};
use crate::support::finished;
use fantoccini::key::Key;
use serde_json::json;

#[tokio::test]
async fn a_replay_scrubs_and_brushes_without_a_server() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    let live = plots(&browser).await;

    let file = finished().site.get(&format!("/compare/replay?runs={}", finished().ids.join(",")));
    assert_eq!(file.status, 200, "{}", file.text());
    assert!(file.header("content-disposition").starts_with("attachment; filename=\"centerscope-"));
    assert!(file.body.len() < 10_000_000);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("replay.html");
    std::fs::write(&path, &file.body).unwrap();

    browser.client.goto(&format!("file://{}", path.display())).await.unwrap();
    browser.until(ALL_SHOWN).await;
    away(&browser).await;
    assert_eq!(plots(&browser).await, live, "the plots look the same as on the live page");
    browser.press(&Key::Left).await;
    browser.until(&at_epoch(1)).await;
    assert_ne!(plots(&browser).await, live);

    let numbers = browser.value("document.querySelector('[data-role=numbers]').innerText").await;
    assert!(numbers.as_str().unwrap().contains("Epochs to 95"), "{numbers}");
    browser.click("[data-role=matrices] summary").await;
    browser.until("document.querySelector('.matrices [data-label]')").await;
    let cell = "[...document.querySelectorAll('.matrices [data-label]')].find((cell) => cell.innerText > 0)";
    browser.value(&format!("{cell}.click()")).await;
    browser.until(&format!("{STATE}.comparison.selected === Number({cell}.innerText)")).await;
    browser.press(&Key::Escape).await;
    browser.until(&format!("{STATE}.comparison.selected === 0")).await;

    let plot = place_of(&browser, PLOT, 0).await;
    browser.click(".controls button[title^='Dragging selects']").await;
    let (left, right) = (plot.x + 0.1 * plot.width, plot.x + 0.9 * plot.width);
    browser
        .draw(&[
            (left, plot.y + 20.0),
            (right, plot.y + 20.0),
            (right, plot.y + plot.height - 20.0),
            (left, plot.middle()),
        ])
        .await;
    browser.until(&format!("{STATE}.comparison.selected > 0")).await;
    browser
        .until("document.querySelector('.strip .image')?.style.backgroundImage.startsWith('url(\"data:image/png')")
        .await;
    let fetched = browser
        .value(
            "performance.getEntriesByType('resource').map((e) => e.name).filter((name) => !/^(data|blob):/.test(name))",
        )
        .await;
    assert_eq!(fetched, json!([]), "a replay needs nothing but itself");
    browser.assert_silent().await;
}

#[tokio::test]
async fn pictures_and_tables_hold_what_the_page_shows() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    open_comparison(&browser).await;
    // Keeps what would be downloaded.
    browser
        .value(
            "(() => { window.taken = []; const make = URL.createObjectURL; \
             URL.createObjectURL = (blob) => (window.taken.push(blob), make.call(URL, blob)); \
             HTMLAnchorElement.prototype.click = function () { window.named = this.download; }; })()",
        )
        .await;
    // The menu stays in the window, closes with Escape wherever the focus is, and gives that back.
    browser.click("[data-role=save] summary").await;
    browser.until("document.querySelector('.save-body')?.getBoundingClientRect().right <= innerWidth").await;
    browser.value("document.activeElement.blur()").await;
    browser.press(&Key::Escape).await;
    browser.until("!document.querySelector('.save').open && document.activeElement.tagName === 'SUMMARY'").await;
    browser.click("[data-role=save] summary").await;
    let take = async |row: &str, text: &str, ending: &str| {
        let button = format!(
            "[...document.querySelectorAll('.save-row')].find((r) => r.firstChild.textContent === '{row}')\
             ?.querySelectorAll('button').values().find((b) => b.textContent === '{text}')"
        );
        browser.until(&format!("{button} !== undefined")).await;
        browser.value(&format!("{button}.click()")).await;
        browser.until("window.taken.length > 0").await;
        browser.value("(() => { window.file = window.taken.pop(); })()").await;
        let name = browser.value("window.named").await;
        assert!(name.as_str().unwrap().ends_with(ending), "{name}");
    };

    let size = async || {
        let size = "const { width, height } = await createImageBitmap(window.file); return [width, height];";
        browser.later(size).await
    };

    take("Picture", "PNG", ".png").await;
    assert_eq!(
        size().await,
        json!([2 * (2 * 24 + 3 * 440 + 2 * 18), 2 * (24 + 58 + 61 + 440 + 40 + 24)]),
        "twice the size"
    );

    take("Picture", "SVG", ".svg").await;
    let dots = browser
        .later(
            "const text = await window.file.text(); \
             const svg = new DOMParser().parseFromString(text, 'image/svg+xml'); \
             if (svg.querySelector('parsererror')) return svg.documentElement.textContent; \
             return [text.split('h0').length - 1, [...svg.querySelectorAll('text')].some((t) => t.textContent.startsWith('epoch 2'))];",
        )
        .await;
    assert_eq!(dots, json!([6000, true]), "every point, and which epoch it is");

    // One plot by itself, of a plane that is laid over another: it says so, as the page does.
    // By script: the menu lies over the controls.
    browser.value("document.querySelector(\"[title^='Each plane mirrored']\").click()").await;
    browser.until(&format!("{STATE}.comparison.panels.filter((panel) => panel.aligned).length === 2")).await;
    browser.value("(() => { document.querySelector('[aria-label=\"Which plots\"]').value = '2'; })()").await;
    take("Picture", "PNG", "v1.2-epoch-2.png").await;
    assert_eq!(size().await, json!([2 * (2 * 24 + 440), 2 * (24 + 58 + 61 + 440 + 40 + 24)]));
    take("Picture", "SVG", ".svg").await;
    let axes = browser
        .later(
            "const said = document.querySelectorAll('.plot-axes')[2].innerText; \
             const svg = new DOMParser().parseFromString(await window.file.text(), 'image/svg+xml'); \
             const words = [...svg.querySelectorAll('text')].map((t) => t.textContent); \
             return [said.startsWith('laid over V1.0: ') && said.includes('residual'), words.includes(said)];",
        )
        .await;
    assert_eq!(axes, json!([true, true]));
    browser.value("document.querySelector(\"[title^='Each plot fits']\").click()").await;
    browser.value("(() => { document.querySelector('[aria-label=\"Which plots\"]').value = 'all'; })()").await;

    take("Curves", "PNG", "training-loss.png").await;
    assert_eq!(size().await, json!([2 * 900, 2 * (460 + 22)]));
    browser.value("(() => { document.querySelector('[aria-label=\"Which curves\"]').value = '1'; })()").await;
    take("Curves", "SVG", "test-accuracy.svg").await;
    let told = browser
        .later(
            "const text = await window.file.text(); \
             const svg = new DOMParser().parseFromString(text, 'image/svg+xml'); \
             if (svg.querySelector('parsererror')) return svg.documentElement.textContent; \
             const words = [...svg.querySelectorAll('text')].map((t) => t.textContent); \
             const names = [...document.querySelectorAll('[data-chart=accuracy] .chart-readout [title]')].map((r) => r.title); \
             const lines = [...svg.querySelectorAll('path')].filter((p) => p.getAttribute('stroke-width') === '2'); \
             return [words[0], names.every((name) => words.includes(name)), lines.length, words.some((w) => w.endsWith(' %'))];",
        )
        .await;
    assert_eq!(told, json!(["Test accuracy", true, 3, true]), "the title, every run, its curve, and the scale");

    take("Table", "Points (CSV)", "epoch-2.csv").await;
    let lines = browser.later("return (await window.file.text()).trim().split('\\n').length;").await;
    assert_eq!(lines, 2001);

    take("Epochs", "Animation (WebP)", ".webp").await;
    let frames = browser
        .later(
            "const decoder = new ImageDecoder({ data: await window.file.arrayBuffer(), type: 'image/webp' }); \
             await decoder.tracks.ready; const { image } = await decoder.decode({ frameIndex: 1 }); \
             return [decoder.tracks.selectedTrack.frameCount, image.displayWidth];",
        )
        .await;
    assert_eq!(frames, json!([2, 2 * 24 + 3 * 440 + 2 * 18]));
    let follow = browser.value(&format!("{STATE}.comparison.follow")).await;
    assert_eq!(follow, true, "the clock is where it was");
    browser.assert_silent().await;
}
