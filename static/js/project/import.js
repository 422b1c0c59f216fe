// Shows how far an upload is, and follows the imports that are under way. Without it the form works as forms do.

import { refresh, repeat } from "./live.js";

const BUSY_MS = 1_500;
const CALM_MS = 5_000;

document.addEventListener("submit", (event) => {
  if (event.target.id !== "upload") return;
  event.preventDefault();
  send(event.target);
});

repeat(async () => {
  const unfinished = () => document.querySelector("#imports[data-unfinished]");
  if (unfinished()) await refresh("imports");
  return unfinished() ? BUSY_MS : CALM_MS;
}, BUSY_MS);

function send(form) {
  const request = new XMLHttpRequest();
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  show("Sending …", 0);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    if (loaded < total) show(`Sending: ${megabytes(loaded)} of ${megabytes(total)}\u00a0MB`, loaded / total);
    else show("Sent. The server is reading it …");
  });
  request.addEventListener("load", () => {
    // The page with the outcome, or the form with what is wrong.
    const page = [200, 400].includes(request.status) && request.response?.querySelector("#content");
    if (page) {
      document.title = request.response.title;
      document.querySelector("#content").replaceWith(page);
    } else failed(`The server answered ${request.status}. Try again.`);
  });
  request.addEventListener("error", () => failed("The connection broke. Nothing was taken in: try again."));
  request.open("POST", form.action);
  request.responseType = "document";
  request.send(new FormData(form));

  function failed(text) {
    button.disabled = false;
    show(text, 0);
  }
}

/** `share` is left out where nobody knows how long it takes. */
function show(text, share) {
  document.querySelector("#sending").hidden = false;
  document.querySelector("#sending-text").textContent = text;
  const bar = document.querySelector("#sending-bar");
  if (share === undefined) bar.removeAttribute("value");
  else bar.value = share;
}

function megabytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1);
}
