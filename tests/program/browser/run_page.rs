//! The page of one run: its confusion matrix and its files.

use super::driver::{Browser, Screen};
use super::{ALL_SHOWN, STATE, open, place_of};
use crate::support::finished;

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
