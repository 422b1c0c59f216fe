// Shows beneath the form how the guidelines will look, while they are written. The server renders them.

import { gettext } from "../words.js";

const PAUSE_MS = 300;

const button = document.querySelector("#preview-button");
const place = document.querySelector("#preview");
const { form } = button;
let timer;
let asked;

button.hidden = false; // without this script, another one stands in its place
button.addEventListener("click", () => {
  place.hidden = !place.hidden;
  button.setAttribute("aria-expanded", String(!place.hidden));
  button.textContent = place.hidden ? gettext("Preview") : gettext("Hide the preview");
  if (!place.hidden) show();
});

form.elements.guidelines.addEventListener("input", () => {
  if (place.hidden) return;
  clearTimeout(timer);
  timer = setTimeout(show, PAUSE_MS);
});

/** Ask for the page that shows them alone, and take its text: parsed as pages are, never written as HTML here. */
function show() {
  asked?.abort();
  asked = new XMLHttpRequest();
  const request = asked;
  const body = new FormData();
  for (const name of ["csrfmiddlewaretoken", "guidelines"]) body.set(name, form.elements[name].value);
  request.addEventListener("load", () => {
    const fresh = request.response?.querySelector("#preview");
    if (request.status === 200 && fresh) place.replaceChildren(...fresh.childNodes);
    else place.textContent = gettext("The preview failed: the server answered {status}.", { status: request.status });
  });
  request.addEventListener("error", () => (place.textContent = gettext("No preview: there is no connection.")));
  request.open("POST", button.dataset.url);
  request.responseType = "document";
  request.send(body);
}
