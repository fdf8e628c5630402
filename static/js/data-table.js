// What a picture shows as a table, for who can't see it or wants the figures: built when it is opened, kept up to date while it is.

import { download, h } from "./dom.js";

/** Fills `details` whenever it is open (see dom.js). Returns a function to call when the figures have changed. */
export function fillDataTable(details, read) {
  const table = h("table", { class: "figures" });
  const save = h("button", { type: "button", class: "small" }, "CSV");
  save.addEventListener("click", () => saveCsv(read()));
  const region = h("div", { class: "scroll-y", tabindex: "0", role: "region", "aria-label": "Figures" }, table);
  details.append(region, save);
  let known = "";
  const update = () => {
    if (!details.open) return;
    const figures = read();
    const key = JSON.stringify([figures.caption, figures.rows]);
    if (key === known) return;
    known = key;
    region.setAttribute("aria-label", `Figures: ${figures.caption}`);
    table.replaceChildren(
      h("caption", {}, figures.caption),
      h("thead", {}, h("tr", {}, figures.head.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, figures.rows.map(([name, ...texts]) => h("tr", {}, h("th", { scope: "row" }, name), texts.map((text) => h("td", {}, text))))),
    );
  };
  details.addEventListener("toggle", update);
  return update;
}

/** `exact`, where the file holds more than the table: {head, columns}. */
async function saveCsv({ caption, head, rows, exact }) {
  const [{ toCsv }, { fileName }] = await Promise.all([import("./csv.js"), import("./save.js")]);
  const lines = exact ? [exact.head, ...exact.columns[0].map((_, i) => exact.columns.map((column) => column[i]))] : [head, ...rows];
  download(toCsv(lines), fileName([caption], "csv"), "text/csv");
}
