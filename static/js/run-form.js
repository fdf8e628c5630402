// The form that starts runs: presets shown in the empty fields, how much work it is said before it starts, the answer
// followed, errors said at the field at fault.

import { role, say } from "./dom.js";
import { roughly } from "./format.js";

const PLAN_WAIT_MS = 250;

/** What a text with numbers stands for: one, a list "1, 2, 3", or a range "1..5", "0.1..0.5 step 0.1"; else the text. Pure. */
export function numbersOf(text) {
  const number = (part) => (part.trim() === "" ? Number.NaN : Number(part));
  const range = /^(.+?)\.\.(.+?)(?:step(.+))?$/.exec(text);
  const parts = range ? [range[1], range[2], range[3] ?? "1"].map(number) : text.split(",").map(number);
  if (!parts.every(Number.isFinite)) return text;
  if (range) return { from: parts[0], to: parts[1], step: parts[2] };
  return text.includes(",") ? parts : parts[0];
}

/** The answer of POST /runs/plan in a sentence. Pure. */
export function planned({ count, estimated_seconds: seconds, basis }) {
  return `${count} ${count === 1 ? "run" : "runs"}, ${seconds === null ? "time" : `about ${roughly(seconds)}`} ${basis}.`;
}

/** What is wrong with a request, in a sentence. Pure. */
export function refused({ field, detail, expected }) {
  return field && expected ? `${field}: expected ${expected}.` : (detail ?? "The server did not accept this.");
}

/** The button's label for a request. Pure. */
export function startLabel(request) {
  const { variants, ...rest } = request;
  if (Object.values(rest).some((value) => typeof value === "object")) return "Start sweep";
  return variants ? "Start comparison" : "Start run";
}

/** The JSON request for a filled-in form: [[name, text, type]…], empty fields left out. Pure. */
export function requestOf(entries) {
  const request = {};
  const variants = [];
  for (const [name, text, type] of entries) {
    const value = text.trim();
    if (value === "") continue;
    if (name === "variants") variants.push(value);
    else request[name] = type === "number" ? numbersOf(value) : value;
  }
  if (variants.length === 1) request.variant = variants[0];
  else if (variants.length) request.variants = variants;
  return request;
}

/** Makes the server's form work without leaving the page until the run exists. */
export function enhanceForm(form) {
  const submit = role(form, "submit");
  const message = role(form, "message");
  const plan = role(form, "plan");
  const inputs = () => [...form.elements].filter((e) => e.name);
  const request = () => {
    const given = inputs().filter((e) => (e.type !== "checkbox" && e.type !== "radio") || e.checked);
    // A variant says all that the parts of a nameless combination say.
    const named = given.some((e) => e.name === "variants");
    const counted = given.filter((e) => !named || e.type !== "hidden");
    return requestOf(counted.map((e) => [e.name, e.value, e.dataset.kind ?? e.type]));
  };
  const send = (url) =>
    fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(request()),
    });

  let waiting = 0;
  let asked = 0;
  const foresee = (nothing) => {
    clearTimeout(waiting);
    if (nothing) {
      asked++;
      plan.classList.add("wrong");
      return say(plan, "Tick at least one variant.");
    }
    waiting = setTimeout(async () => {
      const mine = ++asked;
      const response = await send("/runs/plan").catch(() => null);
      const answer = await response?.json().catch(() => null);
      if (mine !== asked) return;
      // A plan of what can't be started says what is wrong with it.
      const problem = answer && (response.ok ? answer.problem : answer);
      plan.classList.toggle("wrong", Boolean(problem));
      say(plan, problem ? refused(problem) : answer ? planned(answer) : "");
    }, PLAN_WAIT_MS);
  };

  const describe = () => {
    const count = form.querySelectorAll('input[name="variants"]:checked').length;
    say(submit, startLabel(request()));
    submit.disabled = count === 0 && !form.querySelector('input[type="hidden"]');
    foresee(submit.disabled);
    const profile = form.querySelector('input[name="profile"]:checked')?.value;
    for (const input of inputs()) {
      const { quick, full } = input.dataset;
      if (quick === undefined || input.tagName === "SELECT") continue;
      input.placeholder = profile === "full" ? full : profile === "quick" || quick === full ? quick : `${quick} or ${full}`;
    }
  };

  const clearErrors = () => {
    message.hidden = true;
    for (const field of form.querySelectorAll(".invalid")) {
      field.classList.remove("invalid");
      field.querySelector(".field-error")?.remove();
      field.querySelector("[aria-invalid]")?.removeAttribute("aria-invalid");
    }
  };

  const fail = (problem) => {
    const input = inputs().find((e) => e.name === problem.field || (e.name === "variants" && problem.field === "variant"));
    if (!input) {
      message.hidden = false;
      return say(message, problem.detail ?? "The server did not accept this.");
    }
    const field = input.closest(".field");
    field.closest("details")?.setAttribute("open", "");
    field.classList.add("invalid");
    input.setAttribute("aria-invalid", "true");
    const error = document.createElement("p");
    error.className = "field-error";
    error.setAttribute("role", "alert");
    error.textContent = problem.expected ? `Expected ${problem.expected}.` : problem.detail;
    field.append(error);
    input.focus();
  };

  form.noValidate = true;
  form.addEventListener("input", (event) => {
    if (event.target.closest(".invalid")) clearErrors();
    describe();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearErrors();
    submit.disabled = true;
    try {
      const response = await send(form.action);
      const answer = await response.json();
      if (response.ok) location.assign(answer.url);
      else fail(answer);
    } catch {
      fail({ detail: "The server can't be reached. Check that it is running, then try again." });
    } finally {
      describe();
    }
  });
  describe();
}
