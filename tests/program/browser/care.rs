//! What holds for every page: a connection that breaks is told and made good, either renderer draws the same, and nothing
//! stands in the way of those who use the pages by other means than sight and mouse.

use super::driver::{Browser, Screen};
use super::{ALL_SHOWN, PLOT, STATE, open};
use crate::support::{Site, endless, finished};
use serde_json::json;
use std::io::{Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[tokio::test]
async fn a_broken_connection_is_told_and_caught_up_with() {
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(home.path());
    let id = site.start_runs(endless(json!({"variant": "v1.0", "train_images": 256}))).remove(0);
    let line = Line::to(site.address);
    browser.client.goto(&format!("http://{}/runs/{id}", line.address)).await.unwrap();
    browser.until(&format!("{STATE}?.comparison?.panels[0].points === 2000")).await;
    browser.value("(() => { window.same = true; })()").await;
    // Where the trainer is while nobody can see it.
    line.cut();
    browser
        .until(
            "document.querySelector('[data-role=connection]').innerText.startsWith('Connection lost. Trying again in')",
        )
        .await;
    let mut events = site.events(&format!("/runs/{id}/events?after=2"), None);
    let epoch = (0..3).map(|_| events.until("epoch")["epoch"].as_u64().unwrap()).max().unwrap();
    drop(events);

    line.mend();
    browser.until(&format!("{STATE}.connection === 'live' && {STATE}.comparison.panels[0].epoch >= {epoch}")).await;
    let received = browser.value(&format!("{STATE}.comparison.panels[0].epochs_received")).await;
    let shown = browser.value(&format!("{STATE}.comparison.panels[0].epoch")).await;
    assert!(received.as_u64() >= shown.as_u64(), "{received} epochs received, the {shown}th shown: some are missing");
    assert_eq!(browser.value("window.same").await, true, "without a reload");
    assert_eq!(site.post(&format!("/runs/{id}/stop"), &json!({})).status, 202);
    browser.until("document.querySelector('[data-role=status]').innerText === 'KILLED'").await;
    browser.until(&format!("{STATE}.connection === 'ended'")).await;
    browser.assert_silent_but_for_the_network().await;
}

/// A line between browser and server that can be cut.
struct Line {
    address: SocketAddr,
    /// The open ends; `None` while the line is cut.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Line {
    fn to(server: SocketAddr) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let ends = open.clone();
        // Ends with the test's process; it holds nothing but a port.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if let Some(ends) = &mut *ends.lock().unwrap() {
                    let far = TcpStream::connect(server).unwrap();
                    for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                        ends.push(from.try_clone().unwrap());
                        thread::spawn(move || {
                            let _ = copy(&mut from, &mut to);
                            let _ = to.shutdown(Shutdown::Write);
                        });
                    }
                }
            }
        });
        Line { address, open }
    }

    fn cut(&self) {
        for end in self.open.lock().unwrap().take().unwrap_or_default() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        *self.open.lock().unwrap() = Some(Vec::new());
    }
}

#[tokio::test]
async fn both_renderers_draw_the_same_picture() {
    let Some(browser) = Browser::start(Screen::SoftwareGpu).await else { return };
    let mut pictures = Vec::new();
    for renderer in ["cpu", "webgl"] {
        let target = format!("/compare?runs={}&centers=0&renderer={renderer}", finished().ids.join(","));
        open(&browser, &finished().site, &target).await;
        browser.until(ALL_SHOWN).await;
        browser
            .until(&format!(
                "{STATE}.comparison.panels.every((panel) => panel.renderer === '{renderer}' && panel.drawn)"
            ))
            .await;
        pictures.push(browser.picture(PLOT, 0).await);
    }
    let [cpu, webgl] = [&pictures[0], &pictures[1]];
    assert!(cpu.coloured() > 300, "{cpu:?}");
    // A disc's edge falls on other quarters of a pixel here and there; no disc may be missing, moved or of another colour.
    let differing = cpu.differing(webgl, 64);
    assert!(differing < 0.01, "{:.2} % of the pixels differ", 100.0 * differing);
    browser.assert_silent().await;
}

#[tokio::test]
async fn axe_finds_nothing_serious() {
    let Some(axe) = axe() else {
        let line = "SKIPPED: the accessibility check: no axe-core (npm install --prefix tests axe-core@4.14.1, or set CENTERSCOPE_AXE to its axe.min.js)\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    let Some(browser) = Browser::start(Screen::Still).await else { return };
    let ids = &finished().ids;
    for theme in ["light", "dark"] {
        let compare = format!("/compare?runs={}&draw=1&select=d3_e2", ids.join(","));
        for page in ["/".to_string(), compare, format!("/runs/{}", ids[0])] {
            open(&browser, &finished().site, &page).await;
            browser.value(&format!("(() => {{ localStorage.setItem('theme', '{theme}'); }})()")).await;
            browser.client.refresh().await.unwrap();
            browser.until(ALL_SHOWN).await;
            // Everything that can be opened is looked at, too.
            browser.value("(() => { for (const d of document.querySelectorAll('details')) d.open = true; })()").await;
            browser.until("[...document.querySelectorAll('.figures')].every((table) => table.rows.length > 1)").await;
            browser.client.execute(&axe, vec![]).await.unwrap();
            let found = browser
                .later(
                    "const { violations } = await axe.run(document, { resultTypes: ['violations'] }); \
                     return violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => \
                     ({ id: v.id, help: v.help, where: v.nodes.slice(0, 5).map((n) => n.html + ' ' + (n.any[0]?.message ?? '')) }));",
                )
                .await;
            assert_eq!(
                found,
                json!([]),
                "{page} in the {theme} theme: {}",
                serde_json::to_string_pretty(&found).unwrap()
            );
        }
    }
    browser.assert_silent().await;
}

/// The text of axe-core, where somebody put it.
fn axe() -> Option<String> {
    let named = std::env::var_os("CENTERSCOPE_AXE").map(std::path::PathBuf::from);
    let usual = || concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/node_modules/axe-core/axe.min.js").into();
    std::fs::read_to_string(named.unwrap_or_else(usual)).ok()
}
