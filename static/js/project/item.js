// One item, by keyboard: a key for each answer, Enter saves and goes on, J and K walk. Without it the page works as pages do.

import { proposeClasses } from "./classes.js";
import { lookCloser, zoomByKey } from "./closer.js";
import { keepPixels } from "./pixels.js";

const form = document.querySelector("#correct");
const asked = form?.querySelector('input[list="classes"]');

// Keys that were pressed before this page was there are lost. An Enter that arrives alone in its first moment is the end
// of something of which the beginning was lost: taken at its word, it would confirm a label that no person has looked at.
const READY_MS = 500;

keepPixels(document.querySelectorAll(".picture img"));
lookCloser();
proposeClasses();

// Where a class is searched for, typing is the next thing to do; on a phone the keyboard would hide the item.
if (asked && matchMedia("(pointer: fine)").matches) {
  asked.focus({ preventScroll: true });
  asked.select();
}

if (form) {
  const ready = () => (form.dataset.ready = "");
  setTimeout(ready, READY_MS);
  form.addEventListener("input", ready);
  form.addEventListener("submit", (event) => {
    if (!("ready" in form.dataset)) event.preventDefault();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  const { target } = event;
  const typing = target.matches("input:not([type=radio], [type=checkbox]), textarea, select");
  if (typing) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (act(event.key, target) || zoomByKey(event.key)) event.preventDefault();
});

/** Do what the key stands for; whether it stands for anything. */
function act(key, target) {
  const way = { j: "#later", k: "#earlier" }[key.toLowerCase()];
  if (way) {
    document.querySelector(way)?.click();
    return true;
  }
  if (key === "/" && asked) {
    asked.focus();
    return true;
  }
  if (key === "Enter" && form && !target.closest("a, button, summary")) {
    form.requestSubmit(form.querySelector("button.primary"));
    return true;
  }
  return choose(key.toLowerCase());
}

function choose(key) {
  const hint = [...(form?.querySelectorAll("[data-key]") ?? [])].find((each) => each.dataset.key === key);
  const input = hint?.closest("label").querySelector("input");
  if (!input) return false;
  input.focus();
  if (input.type === "checkbox" || !input.checked) input.click();
  form.dataset.ready = "";
  return true;
}
