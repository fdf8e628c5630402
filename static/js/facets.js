// Facets of the table of all runs: for some fields the values that there are, how many runs have each, and the query that each leads to.

import { writeAddress } from "./columns.js";
import { h, plainClick } from "./dom.js";
import { grouped } from "./format.js";

/** Fills `nav` with the server's facets; `ask(query)` where one is chosen. The focus stays on the value that had it. */
export function showFacets(nav, facets, state, ask) {
  const focused = document.activeElement?.dataset?.facet;
  const link = (field, { value, count, chosen, query }) => {
    const onclick = (event) => plainClick(event) && (event.preventDefault(), ask(query));
    const about = { class: "facet-value", href: writeAddress({ ...state, query }), "data-facet": `${field} ${value}`, "aria-current": chosen ? "true" : null, onclick };
    return h("a", about, field === "archived" ? "yes" : value, h("small", {}, ` ${grouped(count)}`));
  };
  const some = facets.filter(({ values }) => values.length);
  nav.replaceChildren(...some.map(({ field, label, values }) => h("div", { class: "facet" }, h("span", { class: "label" }, label), values.map((value) => link(field, value)))));
  if (focused) [...nav.querySelectorAll("a")].find((a) => a.dataset.facet === focused)?.focus();
}
