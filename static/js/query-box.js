// The field in which a query is typed: completions under it, and what is wrong with it once the typing rests.

import { h, role } from "./dom.js";
import { complete } from "./completion.js";
import { forgetQueries, recentQueries } from "./recent.js";

const REST_MS = 120;
const COMPLAIN_MS = 700;
const MOST_RECENT = 6; // of those that are kept

export class QueryBox {
  #input;
  #list;
  #error;
  #on;
  #items = null;
  #chosen = -1;
  #timer = 0;
  #complaint = 0;

  /** `on`: changed(query); `used(query)`, once the reader has left it; `fields()` and `values(name)`: see completion.js. */
  constructor(form, on) {
    this.#on = on;
    this.#input = form.querySelector("input[name=query]");
    this.#list = form.querySelector(".completions");
    this.#error = role(form, "query-error");
    const input = this.#input;
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.#list.id }))
      input.setAttribute(name, value);
    input.addEventListener("input", () => {
      this.#offer();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => on.changed(input.value), REST_MS);
    });
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("click", () => this.#offer());
    input.addEventListener("blur", () => (this.#close(), on.used(input.value.trim())));
    const help = form.querySelector("details");
    addEventListener("pointerdown", (event) => !help.contains(event.target) && (help.open = false));
    help.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !help.open) return;
      help.open = false;
      help.firstElementChild.focus();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#close();
      clearTimeout(this.#timer);
      on.changed(input.value);
      on.used(input.value.trim());
    });
  }

  get value() {
    return this.#input.value;
  }

  set value(text) {
    clearTimeout(this.#timer);
    this.#input.value = text;
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** Shows what is wrong, or (null) that nothing is. While somebody types, the complaint waits. */
  complain(problem) {
    clearTimeout(this.#complaint);
    if (!problem) {
      this.#error.hidden = true;
      this.#input.removeAttribute("aria-invalid");
      return;
    }
    const show = () => {
      this.#input.setAttribute("aria-invalid", "true");
      const signs = [...this.#input.value];
      const { position = 0, length = 0 } = problem;
      const at = signs.slice(position, position + length).join("");
      this.#error.replaceChildren(
        h("code", {}, signs.slice(Math.max(0, position - 24), position).join(""), h("mark", {}, at || "\u00a0"), signs.slice(position + length, position + length + 24).join("")),
        h("span", {}, problem.expected ? ` expected ${problem.expected}` : ` ${problem.detail}`),
      );
      this.#error.hidden = false;
    };
    this.#complaint = setTimeout(show, document.activeElement === this.#input ? COMPLAIN_MS : 0);
  }

  #offer() {
    const input = this.#input;
    this.#items = complete(input.value, input.selectionStart ?? input.value.length, this.#on.fields(), this.#on.values);
    if (!input.value.trim()) this.#items.items.unshift(...this.#recent());
    this.#chosen = -1;
    const options = this.#items.items.map((item, i) =>
      h(
        "li",
        { role: "option", class: item.recent ? "recent" : null, id: `completion-${i}`, "aria-selected": "false", onpointerdown: (event) => (event.preventDefault(), this.#take(i)) },
        item.forget ? null : h("code", {}, item.text),
        h("small", {}, item.help),
      ),
    );
    this.#list.replaceChildren(...options);
    this.#list.hidden = options.length === 0;
    input.setAttribute("aria-expanded", String(options.length > 0));
    input.removeAttribute("aria-activedescendant");
  }

  /** The filters that were used lately, and what forgets them. */
  #recent() {
    const recent = recentQueries().slice(0, MOST_RECENT).map((text) => ({ text, help: "used lately", recent: true }));
    return recent.length ? [...recent, { text: "", help: "Forget these", recent: true, forget: true }] : [];
  }

  #choose(index) {
    const options = [...this.#list.children];
    this.#chosen = (index + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === this.#chosen)));
    options[this.#chosen].scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", `completion-${this.#chosen}`);
  }

  #take(index) {
    const { from, to, items } = this.#items;
    const { text: taken, recent, forget } = items[index];
    if (forget) return forgetQueries(), this.#offer();
    const text = taken + (recent || taken === "(" ? "" : " ");
    this.#input.setRangeText(text, from, to, "end");
    this.#input.dispatchEvent(new Event("input"));
  }

  #close() {
    this.#list.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    const open = !this.#list.hidden;
    if (open && event.key === "ArrowDown") this.#choose(this.#chosen + 1);
    else if (open && event.key === "ArrowUp") this.#choose(this.#chosen < 0 ? -1 : this.#chosen - 1);
    else if (open && this.#chosen >= 0 && (event.key === "Enter" || event.key === "Tab")) this.#take(this.#chosen);
    else if (open && event.key === "Escape") this.#close();
    else if (!open && event.key === "ArrowDown") this.#offer();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }}
