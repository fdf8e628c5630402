//! From the form to a sweep, its page, and the claims that it tests.

use super::driver::{Browser, Screen};
use super::open;
use crate::support::Site;
use fantoccini::Locator;
use serde_json::json;

#[tokio::test]
async fn a_sweep_from_the_form_is_watched_and_put_to_the_test() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    open(&browser, &site, "/").await;
    browser.until("document.querySelector('[data-role=plan]').innerText.startsWith('3 runs, time unknown')").await;
    browser.click(".advanced summary").await;
    browser.click("[name=variants][value='v1.2']").await;
    let form = browser.client.form(Locator::Css("[data-run-form]")).await.unwrap();
    for (field, value) in
        [("name", "by hand"), ("epochs", "2"), ("train_images", "64"), ("batch_size", "32"), ("width", "0.03125")]
    {
        form.set_by_name(field, value).await.unwrap();
    }
    browser.client.find(Locator::Css("[name=dataset]")).await.unwrap().select_by_value("generated").await.unwrap();
    browser.click("#f-seed").await;
    browser.press("1..5").await;
    // The count is there before anything starts.
    browser.until("document.querySelector('[data-role=plan]').innerText.startsWith('10 runs')").await;
    assert_eq!(browser.value("document.querySelector('[data-role=submit]').innerText").await, "Start sweep");
    browser.click("[data-role=submit]").await;

    // The page follows the runs to their ends by itself.
    browser.until("document.querySelector('[data-role=standing]')?.innerText === '10 finished'").await;
    let groups = browser
        .value("[...document.querySelectorAll('[data-role=groups] tbody tr')].map((row) => row.cells[1].innerText)")
        .await;
    assert_eq!(groups, json!(["5 of 5", "5 of 5"]));
    assert_eq!(browser.value("document.querySelector('[data-role=stop]')").await, json!(null));
    let curves = browser.picture("[data-role=curves]", 0).await;
    assert!(curves.coloured() > 200, "{curves:?}");
    browser.click("[data-role=shapes] [value=lines]").await;
    browser.until("document.querySelector('[data-role=shapes] [value=lines]').ariaPressed === 'true'").await;
    assert_ne!(browser.picture("[data-role=curves]", 0).await, curves, "every run looks like the means");

    // Lines, dots and rows are one: to point at a row marks its run in both plots.
    browser.until("document.querySelectorAll('.run-line').length === 10 && document.querySelectorAll('.run-dot').length === 10").await;
    browser
        .client
        .execute("document.querySelector('[data-role=members]').scrollIntoView({block: 'center'})", vec![])
        .await
        .unwrap();
    let place = browser.value("(({x, y}) => [x, y])(document.querySelector('[data-role=members] tbody tr:nth-child(3) th').getBoundingClientRect())").await;
    browser.point_at(place[0].as_f64().unwrap() + 4.0, place[1].as_f64().unwrap() + 4.0).await;
    let marked = "[...document.querySelectorAll('.hot')].map((e) => e.dataset.run)";
    browser.until(&format!("{marked}.length === 3 && new Set({marked}).size === 1")).await;

    browser.click(".actions a[href^='/claims']").await;
    browser.until("location.pathname === '/claims' && document.querySelectorAll('.claim').length === 2").await;
    for (select, option) in [("metric", "train_loss"), ("at", "last")] {
        let select = format!(".claim-form [name={select}]");
        browser.client.find(Locator::Css(&select)).await.unwrap().select_by_value(option).await.unwrap();
    }
    browser.click(".claim-form [type=submit]").await;
    browser.until("document.querySelectorAll('.claim').length === 1").await;
    let seeds = browser.value("[...document.querySelectorAll('.pairs tbody th')].map((e) => e.innerText)").await;
    assert_eq!(seeds, json!(["1", "2", "3", "4", "5"]));
    let verdict = browser.value("document.querySelector('.verdict').innerText").await;
    assert!(["supported", "contradicted", "undecided"].contains(&verdict.as_str().unwrap()), "{verdict}");

    // Whatever the table shows is grouped by any field, and each group leads back to its runs.
    open(&browser, &site, "/runs?query=seed+%3C+3").await;
    browser.until("document.querySelector('[data-role=count]').innerText === '4 runs'").await;
    browser.click("[data-role=group-these]").await;
    browser.until("document.querySelector('[data-role=standing]')?.innerText === '4 finished'").await;
    browser.until("document.querySelector('[data-role=curves] canvas')").await;
    let rows = "document.querySelectorAll('[data-role=groups] tbody tr').length";
    assert_eq!(browser.value(rows).await, json!(2));
    browser.click("[name=by][value=seed]").await;
    browser.until(&format!("location.search.includes('by=seed') && {rows} === 4")).await;
    browser.click("[data-role=groups] tbody a").await;
    browser
        .until("location.pathname === '/runs' && document.querySelector('[data-role=count]').innerText === '1 run'")
        .await;
    browser.assert_silent().await;
}
