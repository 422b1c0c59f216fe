// Counts the rows of the filters while they are set. The server counts and reports errors.

import { load, touched } from "./live.js";

const PAUSE_MS = 300;

const form = document.querySelector("#export");
let timer;
let turn = 0;

hideCount();
if (touched(form)) count();
form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(count, PAUSE_MS);
});
form.addEventListener("focusout", ({ target }) => {
  if (target.closest(".filters")) setTimeout(count);
});

async function count() {
  clearTimeout(timer);
  const set = [...new FormData(form)].filter(([, value]) => value);
  const query = new URLSearchParams(set).toString();
  const address = query ? `?${query}` : location.pathname;
  const own = ++turn;
  const fresh = await load(address);
  // Overtaken by a later change, or no connection: the buttons work without it.
  if (!fresh || own !== turn) return;
  // With the filters in its address the page can be kept, sent and loaded again.
  history.replaceState(null, "", address);
  showErrors(fresh);
  exchange(fresh.querySelector("#chosen"));
}

/** Mark the fields that are wrong, and only these: also the field with the focus, because the count is about it. */
function showErrors(fresh) {
  const next = fresh.querySelectorAll(".filters .field");
  document.querySelectorAll(".filters .field").forEach((field, place) => {
    const wrong = next[place]?.querySelector(".errorlist");
    if (!next[place]) return;
    field.classList.toggle("has-error", Boolean(wrong));
    field.querySelector(".errorlist")?.remove();
    const control = field.querySelector("input, select");
    const source = next[place].querySelector("input, select");
    for (const name of ["aria-invalid", "aria-describedby"]) {
      const value = source.getAttribute(name);
      if (value === null) control.removeAttribute(name);
      else control.setAttribute(name, value);
    }
    if (wrong) control.before(wrong);
  });
}

/** What was chosen, and the ways to get it; elements under the pointer or with the focus are not replaced. */
function exchange(next) {
  const old = document.querySelector("#chosen");
  if (!next || !old) return;
  for (const id of ["counted", "command"]) {
    old.querySelector(`#${id}`).replaceChildren(...next.querySelector(`#${id}`).childNodes);
  }
}

function hideCount() {
  document.querySelector("[data-count]").hidden = true;
}
