// Counts the rows that the filters choose while somebody sets them. The server counts, and says what is wrong.

const PAUSE_MS = 300;

const form = document.querySelector("#export");
let timer;
let asked;

hideCount();
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
  asked?.abort();
  asked = new AbortController();
  let fresh;
  try {
    const response = await fetch(query ? `?${query}` : location.pathname, { signal: asked.signal });
    if (response.redirected) return;
    fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    // Overtaken by a later change, or no connection: the buttons work without it.
    return;
  }
  // With the filters in its address the page can be kept, sent and loaded again.
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  showErrors(fresh);
  exchange(fresh.querySelector("#chosen"));
}

/** Mark the fields that are wrong, and only these; nothing under the hands of somebody who still types. */
function showErrors(fresh) {
  const next = fresh.querySelectorAll(".filters .field");
  document.querySelectorAll(".filters .field").forEach((field, place) => {
    const wrong = next[place]?.querySelector(".errorlist");
    if (!next[place] || (wrong && field.contains(document.activeElement))) return;
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

/** What was chosen, and the ways to get it; nothing is exchanged that somebody is about to press. */
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
