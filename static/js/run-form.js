// The form that starts runs: presets shown in the empty fields, the answer followed, errors said at the field at fault.

import { role, say } from "./dom.js";

/** The JSON request for a filled-in form: [[name, text, type]…], empty fields left out. Pure. */
export function requestOf(entries) {
  const request = {};
  const variants = [];
  for (const [name, text, type] of entries) {
    const value = text.trim();
    if (value === "") continue;
    if (name === "variants") variants.push(value);
    else request[name] = type === "number" && Number.isFinite(Number(value)) ? Number(value) : value;
  }
  if (variants.length === 1) request.variant = variants[0];
  else if (variants.length) request.variants = variants;
  return request;
}

/** Makes the server's form work without leaving the page until the run exists. */
export function enhanceForm(form) {
  const submit = role(form, "submit");
  const message = role(form, "message");
  const inputs = () => [...form.elements].filter((e) => e.name);

  const describe = () => {
    const count = form.querySelectorAll('input[name="variants"]:checked').length;
    say(submit, count === 1 ? "Start run" : "Start comparison");
    submit.disabled = count === 0;
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
    // What the browser can tell from the ranges need not travel.
    const wrong = inputs().find((input) => !input.checkValidity());
    if (wrong) return fail({ field: wrong.name, expected: wrong.dataset.expected, detail: wrong.validationMessage });
    submit.disabled = true;
    const entries = inputs()
      .filter((e) => (e.type !== "checkbox" && e.type !== "radio") || e.checked)
      .map((e) => [e.name, e.value, e.type]);
    try {
      const response = await fetch(form.action, {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(requestOf(entries)),
      });
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
