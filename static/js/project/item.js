// One item, by keyboard: a key for each answer, Enter saves and goes on, J and K walk. Without it the page works as pages do.

import { proposeClasses } from "./classes.js";
import { keepPixels } from "./pixels.js";

const form = document.querySelector("#correct");
const asked = form?.querySelector('input[list="classes"]');

keepPixels(document.querySelectorAll(".picture img"));
proposeClasses();

// Where a class is searched for, typing is the next thing to do; on a phone the keyboard would hide the item.
if (asked && matchMedia("(pointer: fine)").matches) {
  asked.focus({ preventScroll: true });
  asked.select();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  const { target } = event;
  const typing = target.matches("input:not([type=radio], [type=checkbox]), textarea, select");
  if (typing) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (act(event.key, target)) event.preventDefault();
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
  input.checked = input.type === "radio" || !input.checked;
  return true;
}
