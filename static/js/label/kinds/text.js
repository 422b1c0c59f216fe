// Texts, in a measure that is easy to read.

import { excerpt, facts } from "./parts.js";

const LONG_TEXT = 400;

export const keys = {};
export const commands = {};

export function load() {
  return null;
}

export function show(place, task) {
  const { data } = task.item;
  const shown = document.createElement("div");
  shown.className = "text";
  shown.classList.toggle("long", String(data.text).length > LONG_TEXT);
  shown.dir = "auto";
  shown.textContent = data.text;
  place.replaceChildren(shown, ...facts(data, "text"));
}

/** In a grid: all of it, for whoever confirms it has to have seen it; a long one scrolls. */
export function cell(task) {
  const made = document.createElement("div");
  made.className = "cell-text";
  made.dir = "auto";
  made.textContent = task.item.data.text;
  return made;
}

/** What is read out for a cell. */
export function spoken(task) {
  return String(task.item.data.text);
}

export function thumbnail(task) {
  return excerpt(String(task.item.data.text).slice(0, 60));
}
