// How fast the table of many runs stands in headless Chromium without a GPU. Needs Node 20, Chromium and ChromeDriver, and no package:
//
//   cargo build --release
//   node benches/table.mjs [--runs=10000] [target/release/centerscope]
//
// Prints a table for docs/benchmarks.md. The runs are made up by `centerscope bench runs --make`. The browser stays the same; each
// visit is a new navigation to /runs, with nothing in the browser's cache or with what the visit before left there.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser, PROGRAM, REPEATS, printTable, serve, spread, tell } from "./driver.mjs";

const RUNS = process.argv.find((word) => word.startsWith("--runs="))?.slice("--runs=".length) ?? "10000";

/**
 * In the page, from its beginning: when the first row was painted, and when the script had the table and its curves stood. Nothing
 * asks for frames: each one would lay out what has come so far of the page.
 */
const WATCH = `(() => {
  new PerformanceObserver((list) => (window.rowPainted ??= list.getEntries()[0].renderTime)).observe({ type: "element", buffered: true });
  // The script may put another one in its place before anything was painted.
  const mark = () => {
    document.querySelector("tbody tr[data-run] th:not([elementtiming])")?.setAttribute("elementtiming", "row");
    if (document.querySelector(".alive .spark")) window.alive ??= performance.now();
  };
  new MutationObserver(mark).observe(document, { childList: true, subtree: true });
})()`;

async function visits(browser, url, cached) {
  const [painted, rows, alive] = [[], [], []];
  for (let i = 0; i <= REPEATS; i++) {
    await browser.go("about:blank");
    if (!cached) await browser.devtools("Network.clearBrowserCache");
    await browser.go(url);
    await browser.until("window.alive && window.rowPainted");
    const times = await browser.run(`return [performance.getEntriesByName("first-contentful-paint")[0].startTime, window.rowPainted, window.alive];`);
    if (i > 0) [painted, rows, alive].forEach((list, which) => list.push(times[which])); // the first visit warms browser and server up
  }
  return { painted, rows, alive };
}

const home = mkdtempSync(join(tmpdir(), "centerscope-bench-"));
try {
  execFileSync(PROGRAM, ["bench", "runs", "--make", RUNS, "--dir", home], { stdio: "ignore" });
  const server = await serve(home);
  const browser = await Browser.open();
  await browser.devtools("Page.addScriptToEvaluateOnNewDocument", { source: WATCH });
  for (const [cached, how] of [[false, "nothing cached"], [true, "cached"]]) {
    const { painted, rows, alive } = await visits(browser, `http://${server.address}/runs`, cached);
    tell(`First contentful paint of the table, ${RUNS} runs, ${how}`, spread(painted), "150 ms");
    tell(`First row painted, ${how}`, spread(rows), "150 ms");
    tell(`Rows taken over by the script, with their curves, ${how}`, spread(alive), "");
  }
  await browser.close();
  await server.end();
  printTable();
} finally {
  rmSync(home, { recursive: true, force: true });
}
