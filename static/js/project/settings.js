// Shows the consequences of the settings during typing. The server computes them and writes the texts.

import { touched } from "./live.js";

const PAUSE_MS = 200;

const form = document.querySelector("#settings");
const panel = document.querySelector("#consequences");
const summary = document.querySelector("#consequence");
const unknown = document.querySelector("#consequence-unknown");
const warnings = document.querySelector("#consequence-warnings");
const telling = form.dataset.telling.split(" ");
let timer;
let asked;

form.addEventListener("input", ({ target }) => {
  if (!telling.includes(target.name)) return;
  clearTimeout(timer);
  timer = setTimeout(tell, PAUSE_MS);
});

if (touched(form)) tell();

async function tell() {
  asked?.abort();
  asked = new AbortController();
  const present = telling.filter((name) => form.elements[name]);
  const values = present.map((name) => [name, typed(form.elements[name])]);
  const query = new URLSearchParams([["page", form.dataset.page], ...values]);
  try {
    const response = await fetch(`${form.dataset.consequence}?${query}`, { signal: asked.signal });
    if (response.ok) show(await response.json());
  } catch {
    // Overtaken by a later keystroke, or no connection: the form works without it.
  }
}

function typed(field) {
  return field.type === "checkbox" && !field.checked ? "" : field.value;
}

/** Put what was and what would be into each row; or, for values that would be refused, why. */
function show({ errors, rows = {}, changes = "", warnings: warned = [] }) {
  panel.classList.toggle("stale", Boolean(errors));
  unknown.hidden = !errors;
  list(errors ?? warned);
  summary.textContent = errors ? errors.join(" ") : changes;
  if (errors) return;
  for (const cell of panel.querySelectorAll("[data-row]")) {
    const row = rows[cell.dataset.row];
    if (!row) continue;
    const was = cell.querySelector(".was");
    was.textContent = row.was;
    was.hidden = row.was === row.now;
    cell.querySelector(".now").textContent = row.now;
    cell.querySelector(".detail").textContent = row.detail;
  }
}

function list(texts) {
  const entries = texts.map((text) => {
    const entry = document.createElement("li");
    entry.className = "notice warn small";
    entry.textContent = text;
    return entry;
  });
  warnings.replaceChildren(...entries);
  warnings.hidden = !texts.length;
}
