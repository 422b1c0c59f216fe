// Finds a page, a setting, an item, a batch or a person by word: Ctrl-K or ⌘K. The server knows what the member may open.

import { load } from "./live.js";

const PAUSE_MS = 120;

const dialog = document.querySelector("#finder");
const input = dialog.querySelector("input");
const list = dialog.querySelector("#found");
const button = document.querySelector("#find");
const onMac = /Mac|iP(hone|ad)/.test(navigator.platform);
let timer;

button.hidden = false;
if (onMac) button.querySelector("kbd").textContent = "⌘K";
button.setAttribute("aria-keyshortcuts", onMac ? "Meta+K" : "Control+K");
button.addEventListener("click", open);
document.addEventListener("keydown", (event) => {
  if (!(onMac ? event.metaKey : event.ctrlKey) || event.altKey || event.shiftKey) return;
  if (event.key.toLowerCase() !== "k") return;
  event.preventDefault();
  if (dialog.open) dialog.close();
  else open();
});

input.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE_MS);
});
input.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) choose(options().indexOf(chosen()) + step);
  else if (event.key === "Enter") go(chosen());
  else return;
  event.preventDefault();
});
list.addEventListener("click", ({ target }) => go(target.closest("[data-url]")));
// A click beside the dialog closes it.
dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());

function open() {
  dialog.showModal();
  input.select();
  ask();
}

async function ask() {
  const typed = input.value;
  const found = await load(`${dialog.dataset.find}?${new URLSearchParams({ q: typed })}`);
  // Overtaken by a later keystroke, or no connection: what was found stays.
  if (!found || typed !== input.value) return;
  list.replaceChildren(...found.querySelectorAll("li"));
  choose(0);
}

const options = () => [...list.querySelectorAll("[data-url]")];
const chosen = () => list.querySelector("[aria-selected=true]");

function choose(place) {
  const all = options();
  const option = all.at(place % all.length);
  for (const each of all) each.setAttribute("aria-selected", String(each === option));
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
  option?.scrollIntoView({ block: "nearest" });
}

function go(option) {
  if (!option) return;
  dialog.close();
  location.assign(option.dataset.url);
}
