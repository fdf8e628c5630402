// What a run's own page has beyond a comparison of one: confusion matrix, last metrics, files, the stop button.

import { h, role, say } from "./dom.js";
import { deviceAndPrecision, metricValue } from "./format.js";
import { reportAt, hasEnded, keptEpochs } from "./fold.js";
import { wordsOf } from "./numbers.js";
import { selectCells, showMatrix } from "./confusion.js";

/** Keeps the page of `run` up to date; `comparison` shows its points. */
export function keepRunPage(root, run, live, comparison, metrics) {
  const matrix = role(root, "confusion");
  const update = (what) => {
    showConfusion(matrix, run, comparison);
    showMetrics(role(root, "metrics"), run, metrics);
    for (const [name, text] of [
      ["device", deviceAndPrecision(run)],
      ["data", run.data?.name],
    ]) {
      if (text) say(role(root, name), text);
    }
    if (hasEnded(run.status)) role(root, "stop")?.remove();
    role(root, "delete").hidden = !hasEnded(run.status);
    role(root, "resume").hidden = !hasEnded(run.status) || run.status === "FINISHED";
    offerEpochs(root, keptEpochs(run));
    const reason = role(root, "reason");
    reason.hidden = !run.reason;
    reason.dataset.status = run.status.toLowerCase();
    say(role(reason, "text"), run.reason ?? "");
    if (what === "epoch" || hasEnded(run.status)) showArtifacts(role(root, "artifacts"), run);
  };
  live.subscribe((changed, what) => changed === run && what !== "progress" && update(what));
  comparison.onEpoch = () => showConfusion(matrix, run, comparison);
  selectCells(matrix, comparison, 0);
  update("loaded");
}

function showConfusion(table, run, comparison) {
  const report = reportAt(run, comparison.epoch);
  if (!report) return;
  role(table.closest("section"), "empty")?.remove();
  table.hidden = false;
  say(role(table.closest("section"), "confusion-epoch"), `epoch ${report.epoch}`);
  showMatrix(table, report.confusion);
}

function showMetrics(table, run, metrics) {
  const last = run.history[run.history.length - 1];
  if (!last) return;
  table.closest("section").hidden = false;
  const better = (metric) => {
    if (metric.higher_is_better === null || metric.test_accuracy !== undefined) return "";
    const known = run.history.filter((r) => Number.isFinite(r.metrics[metric.name]));
    const best = known.reduce((a, b) => (b.metrics[metric.name] > a.metrics[metric.name] === metric.higher_is_better && b.metrics[metric.name] !== a.metrics[metric.name] ? b : a), known[0]);
    return best ? `${metricValue(metric.name, best.metrics[metric.name])} (epoch ${best.epoch})` : "";
  };
  table.tBodies[0].replaceChildren(
    ...metrics
      .filter((metric) => wordsOf(metric, run, last))
      .map((metric) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, h("span", { class: "term", tabindex: "0", "data-help": metric.help }, metric.label), metric.unit && metric.test_accuracy === undefined ? h("small", {}, ` ${metric.unit}`) : null),
          h("td", {}, wordsOf(metric, run, last)),
          h("td", { class: "muted" }, better(metric)),
        ),
      ),
  );
}

/** The epochs that the form offers to fork from; the chosen one stays chosen. */
function offerEpochs(root, epochs) {
  const select = role(root, "fork-epochs");
  role(root, "fork").hidden = epochs.length === 0;
  if (epochs.join() === [...select.options].map((option) => option.value).join()) return;
  const chosen = select.value;
  select.replaceChildren(...epochs.map((epoch) => h("option", { value: epoch }, String(epoch))));
  if (epochs.includes(Number(chosen))) select.value = chosen;
}

async function showArtifacts(table, run) {
  const response = await fetch(`/runs/${run.id}/artifacts`).catch(() => null);
  if (!response?.ok) return;
  const { artifacts } = await response.json();
  const sizes = (bytes) =>
    bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
  const checkpoints = artifacts.filter((artifact) => artifact.name.startsWith("checkpoints/"));
  say(role(table.closest("section"), "checkpoints-size"), sizes(checkpoints.reduce((sum, artifact) => sum + artifact.size_bytes, 0)));
  table.tBodies[0].replaceChildren(
    ...artifacts.map((artifact) =>
      h("tr", {}, h("td", {}, h("a", { href: artifact.url, download: "" }, artifact.name)), h("td", {}, sizes(artifact.size_bytes))),
    ),
  );
}
