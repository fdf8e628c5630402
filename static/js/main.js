// What every page loads: finds what the server put on it and brings that to life. One stream of events serves them all.

import { get } from "./ahead.js";
import { Comparison } from "./comparison.js";
import { EmbeddingStore } from "./embeddings.js";
import { Latency } from "./latency.js";
import { LiveRuns } from "./live.js";
import { AddressBar } from "./history.js";
import { decodeState, usualState } from "./address.js";
import { newestEpoch, reportAt } from "./fold.js";
import { expose } from "./inspect.js";
import { hasEnded } from "./fold.js";
import { keepThemeButton } from "./theme-button.js";
import { role, say } from "./dom.js";

const live = new LiveRuns();
const store = new EmbeddingStore();
let comparison = null;
let latency = null;

keepThemeButton(document.querySelector('[data-role="theme"]'));

// What only one kind of page needs is fetched only there.
const runForm = document.querySelector("[data-run-form]");
if (runForm) import("./run-form.js").then(({ enhanceForm }) => enhanceForm(runForm));
const picks = document.querySelector("[data-picks]");
if (picks) import("./picks.js").then(({ keepPicks }) => keepPicks(picks));
const trash = document.querySelector("[data-trash]");
if (trash) import("./trash-page.js").then(({ keepTrash }) => keepTrash(trash));
const grouped = document.querySelector("[data-groups]");
if (grouped) import("./groups.js").then(({ keepGroups }) => keepGroups(grouped, showConnection));

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(button.previousElementSibling.innerText).then(() => true, () => false);
    say(button, copied ? "Copied" : "Could not copy: select the text instead");
  });
}
const tablePage = document.querySelector("[data-table-page]");
if (tablePage) import("./table-page.js").then(({ TablePage }) => new TablePage(tablePage, showConnection));

for (const form of document.querySelectorAll("[data-stop]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    say(button, "Stopping…");
    const response = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" } }).catch(() => null);
    if (response?.ok) return;
    button.disabled = false;
    say(button, "Could not stop: try again");
  });
}

expose(() => ({
  connection: live.status,
  received: { ...live.received },
  embeddings_kept: store.size,
  latency: latency?.summary() ?? null,
  comparison: comparison?.inspect() ?? null,
}));

start().catch((error) => showConnection("broken", 0, error.message));

async function start() {
  const root = document.querySelector("[data-comparison]");
  const table = document.querySelector("[data-runs-table]");
  const ids = root ? root.dataset.runs.split(",") : [];
  if (table) {
    const { activeRuns, keepRows } = await import("./runs-table.js");
    keepRows(table, live);
    ids.push(...activeRuns(table));
  }
  if (ids.length === 0) return;
  const metrics = get("/metrics-table").then((response) => response.json());
  await live.start(ids, showConnection);
  if (root) {
    fetchAhead(ids.map((id) => live.get(id)), root.dataset.comparison === "page" ? decodeState(location.search) : usualState());
    const { metrics: ofAnEpoch, milestones } = await metrics;
    mount(root, [...ofAnEpoch, ...milestones]);
  }
}

/** What the plots will ask for first is on its way while the page is put together. Whoever asks for it says what went wrong. */
function fetchAhead(runs, { epoch, split }) {
  for (const run of runs) {
    const report = reportAt(run, epoch || newestEpoch(run));
    if (!report || !run.data) continue;
    for (const fetched of [store.labels(run.data, split), store.load(run.id, report.epoch, split)]) fetched.catch(() => {});
  }
}

function mount(root, metrics) {
  const addressed = root.dataset.comparison === "page";
  let bar = null;
  comparison = new Comparison(root, live, store, {
    metrics,
    restored: addressed ? decodeState(location.search) : null,
    onChange: (deliberate) => bar?.changed(deliberate),
  });
  if (addressed) bar = new AddressBar(() => comparison.state, (state) => comparison.restore(state));
  const matrices = root.querySelector('[data-role="matrices"]');
  matrices?.addEventListener("toggle", () => import("./confusion.js").then(({ keepMatrices }) => keepMatrices(matrices, comparison)), { once: true });
  keepStopAll(root);
  latency = new Latency(role(root, "latency"), live, comparison);
  const save = document.querySelector('[data-role="save"]');
  save?.addEventListener("toggle", () => import("./save.js").then(({ keepSaveMenu }) => keepSaveMenu(save, comparison)), { once: true });
  const page = document.querySelector("[data-run-page]");
  if (page) import("./annotations.js").then(({ keepAnnotations }) => keepAnnotations(page, comparison.runs[0], live));
  if (page) import("./run-page.js").then(({ keepRunPage }) => keepRunPage(page, comparison.runs[0], live, comparison, metrics));
}

/** One button for all runs that can be stopped, where they are several. */
function keepStopAll(root) {
  const button = role(root, "stop-all");
  if (!button) return;
  button.addEventListener("click", () => {
    for (const form of root.querySelectorAll("[data-stop]:not([hidden])")) form.requestSubmit();
  });
  const show = () => (button.hidden = comparison.runs.filter((run) => !hasEnded(run.status)).length < 2);
  live.subscribe(show);
  show();
}

function showConnection(status, seconds, detail) {
  const element = document.querySelector('[data-role="connection"]');
  element.dataset.status = status;
  const text = {
    connecting: "Connecting…",
    live: "Live",
    lost: `Connection lost. Trying again in ${seconds} s`,
    ended: "",
    broken: `${detail}. Reload the page to try again.`,
  }[status];
  say(element.querySelector("span"), text);
  element.hidden = text === "";
}
