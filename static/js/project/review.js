// The review queue by keyboard, from one item to the next without a new page. Without it the page works as pages do.

import { proposeClasses } from "./classes.js";
import { lookCloser, zoomByKey } from "./closer.js";
import { keepPixels } from "./pixels.js";
import { gettext } from "../words.js";

// An Enter in the first moment of an item was meant for the one before: it would accept a label that no person has looked at.
const READY_MS = 300;

const spoken = document.createElement("p");
spoken.className = "unseen";
spoken.setAttribute("role", "status");
document.body.append(spoken);

let shownAt = 0;
let busy = false;

begin();
proposeClasses();

addEventListener("popstate", () => go(location.href, {}, { walked: true }));

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id !== "review") return;
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  go(form.action, { method: "POST", body });
});

document.addEventListener("click", (event) => {
  const way = event.target.closest?.('a[rel="next"], a[rel="prev"]');
  if (!way || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(way.href);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  const { target, key } = event;
  if (target.matches("input:not([type=radio], [type=checkbox]), textarea, select")) {
    if (key === "Escape") target.blur();
    if (key === "Enter" && target.name === "note") {
      target.blur();
      event.preventDefault();
    }
    return;
  }
  if (key === "Enter" && target.closest("a, button, summary")) return;
  if (act(key) || zoomByKey(key)) event.preventDefault();
});

/** Do what the key stands for; whether it stands for anything. With Shift, letters never choose a class. */
function act(key) {
  const lower = key.toLowerCase();
  const choice = key === lower && document.querySelector(`#review [data-choice="${CSS.escape(key)}"]`);
  if (choice) {
    (choice.closest("label")?.querySelector("input") ?? choice).click();
    return true;
  }
  const field = lower === "n" ? "#note" : key === "/" ? '#review input[list="classes"]' : "";
  if (field && document.querySelector(field)) {
    document.querySelector(field).focus();
    return true;
  }
  const button = document.querySelector(`[data-key="${CSS.escape(key.length > 1 ? key : lower)}"]`);
  if (!button) return false;
  if (key !== "Enter" || performance.now() - shownAt > READY_MS) button.click();
  return true;
}

/** Fetch a page of the queue and show it in place of this one. */
async function go(url, options = {}, { walked = false } = {}) {
  if (busy) return;
  busy = true;
  document.querySelector("#review")?.setAttribute("data-busy", "");
  try {
    const response = await fetch(url, options);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const main = page.querySelector("main.review-page");
    if (!main) {
      location.assign(response.url); // signed out, or no reviewer any more
      return;
    }
    document.querySelector("main").replaceWith(main);
    document.title = page.title;
    if (!walked && response.url !== location.href && response.ok) history.pushState(null, "", response.url);
    begin();
    const told = [...main.querySelectorAll(".notice, h2")].slice(0, 2);
    spoken.textContent = told.map((each) => each.textContent.trim().replace(/\s+/g, " ")).join(" ");
  } catch {
    spoken.textContent = "";
    tellFailure();
  } finally {
    busy = false;
    document.querySelector("#review")?.removeAttribute("data-busy");
  }
}

function begin() {
  shownAt = performance.now();
  keepPixels(document.querySelectorAll(".picture img"));
  lookCloser();
  const ahead = document.querySelector("[data-picture]")?.dataset.picture;
  if (ahead) new Image().src = ahead;
  if (document.activeElement === document.body) scrollTo(0, 0);
}

function tellFailure() {
  const notice = document.querySelector("#unsaved") ?? document.createElement("p");
  notice.id = "unsaved";
  notice.className = "notice error";
  notice.setAttribute("role", "alert");
  notice.textContent = gettext("No connection: nothing was saved. Try again.");
  document.querySelector("main").prepend(notice);
}
