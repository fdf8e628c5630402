// What the measurements of pages share: the program, a browser, and the table that they print. Needs Node 20, Chromium and ChromeDriver.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The program that is measured: the first word of the command line that is no option. */
export const PROGRAM = process.argv.slice(2).find((word) => !word.startsWith("--")) ?? "target/release/centerscope";

/** Starts a program and waits for the line that tells where it listens. */
async function start(command, args, pattern) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const match = line.match(pattern);
    if (!match) continue;
    child.stdout.resume(); // what it says from now on is of no interest, but must go somewhere
    return { address: match[1], end: () => ended(child) };
  }
  throw new Error(`${command} did not start`);
}

function ended(child) {
  return new Promise((resolve) => {
    child.on("exit", resolve);
    child.kill("SIGTERM");
  });
}

/** Serves a folder of runs. */
export const serve = (folder) => start(PROGRAM, ["serve", "--port", "0", "--runs-dir", folder], /http:\/\/([^/ ]+)\//);

/** A headless Chromium without a GPU. */
export class Browser {
  static async open() {
    const driver = await start("chromedriver", ["--port=0"], /started successfully on port (\d+)/);
    const browser = new Browser();
    browser.driver = driver;
    browser.profile = mkdtempSync(join(tmpdir(), "centerscope-page-"));
    const args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1440,900", "--force-device-scale-factor=1", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-prefers-reduced-motion", `--user-data-dir=${browser.profile}`];
    const capabilities = { alwaysMatch: { "goog:chromeOptions": { args } } };
    browser.url = `http://127.0.0.1:${driver.address}/session`;
    const { sessionId } = await browser.#send("POST", "", { capabilities });
    browser.url += `/${sessionId}`;
    await browser.#send("POST", "/timeouts", { script: 600_000, pageLoad: 60_000 });
    return browser;
  }

  async #send(method, path, body) {
    const response = await fetch(this.url + path, { method, body: body && JSON.stringify(body) });
    const { value } = await response.json();
    if (!response.ok) throw new Error(value.message);
    return value;
  }

  go(url) {
    return this.#send("POST", "/url", { url });
  }

  /** What the body of an async function gives in the page. */
  run(body, ...args) {
    const script = `const done = arguments[arguments.length - 1]; (async (...args) => { ${body} })(...arguments).then((value) => done({ value }), (error) => done({ error: String(error.stack ?? error) }));`;
    return this.#send("POST", "/execute/async", { script, args }).then(({ value, error }) => {
      if (error) throw new Error(error);
      return value;
    });
  }

  /** Waits for an expression to be true, looking at each frame. */
  until(expression) {
    return this.run(`while (!(${expression})) await new Promise(requestAnimationFrame);`);
  }

  devtools(cmd, params = {}) {
    return this.#send("POST", "/goog/cdp/execute", { cmd, params });
  }

  /** Presses at the first place, moves along the others, and lets go, with Shift held. */
  async lasso(places) {
    const move = ([x, y]) => ({ type: "pointerMove", duration: 0, x: Math.round(x), y: Math.round(y) });
    const pause = { type: "pause", duration: 0 };
    const steps = [move(places[0]), { type: "pointerDown", button: 0 }, ...places.slice(1).map(move), { type: "pointerUp", button: 0 }];
    const keys = [{ type: "keyDown", value: "\uE008" }, ...steps.slice(1).map(() => pause), { type: "keyUp", value: "\uE008" }];
    await this.#send("POST", "/actions", {
      actions: [
        { type: "pointer", id: "mouse", parameters: { pointerType: "mouse" }, actions: [...steps, pause] },
        { type: "key", id: "keys", actions: keys },
      ],
    });
  }

  /** Presses at a place, moves to another one, and lets go. */
  async drag(...places) {
    const [from, to] = places.map(([x, y]) => ({ type: "pointerMove", duration: 0, x: Math.round(x), y: Math.round(y) }));
    const actions = [from, { type: "pointerDown", button: 0 }, to, { type: "pointerUp", button: 0 }];
    await this.#send("POST", "/actions", { actions: [{ type: "pointer", id: "mouse", parameters: { pointerType: "mouse" }, actions }] });
  }

  /** Whether pages may move things by themselves: headless, they may not unless it is said. */
  allowMotion(allowed) {
    return this.devtools("Emulation.setEmulatedMedia", { features: [{ name: "prefers-reduced-motion", value: allowed ? "no-preference" : "reduce" }] });
  }

  /** Presses at the first place, and goes to and fro between both, a pixel or so at a time, for so many milliseconds. */
  async shuttle(from, to, ms) {
    const mouse = (type, [x, y], buttons) => this.devtools("Input.dispatchMouseEvent", { type, x, y, buttons, button: "left", clickCount: 1 });
    await mouse("mousePressed", from, 1);
    const begin = performance.now();
    let passed = 0;
    while ((passed = performance.now() - begin) < ms) {
      const share = Math.abs(((passed / ms) * 4 + 1) % 2 - 1); // four ways
      await mouse("mouseMoved", from.map((v, k) => v + (to[k] - v) * share), 1);
    }
    await mouse("mouseReleased", from, 0);
  }

  async close() {
    await this.#send("DELETE", "");
    await this.driver.end();
    rmSync(this.profile, { recursive: true, force: true });
  }
}

/** How often each thing is measured. */
export const REPEATS = 15;

const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)];
const table = [];
/** A line of the table. */
export const tell = (what, value, target) => {
  table.push(`| ${what} | ${value} | ${target} |`);
  console.error(`${what}: ${value}`);
};
export const printTable = () => console.log(["| what | measured | target |", "|---|---|---|", ...table].join("\n"));
export const spread = (values) => `${quantile(values, 0.5).toFixed(0)} ms (worst of ${values.length}: ${Math.max(...values).toFixed(0)} ms)`;
