// Texts, in a measure that is easy to read.

import { excerpt, facts } from "./parts.js";

const LONG_TEXT = 400;
// Of a near-copy so much is quoted, from a few words before the first difference if that comes late.
const QUOTED = 160;
const BEFORE = 20;
const LATE = 40;
const IN_FULL = 1000;

export const keys = {};
export const commands = {};

export function load() {
  return null;
}

export const files = () => [];

export function show(place, task) {
  const { data } = task.item;
  const shown = document.createElement("div");
  shown.className = "text";
  shown.classList.toggle("long", String(data.text).length > LONG_TEXT);
  shown.dir = "auto";
  shown.textContent = data.text;
  place.replaceChildren(shown, ...facts(data, "text"));
}

/** In a grid: all of it, because a person who confirms it must have seen it; a long text scrolls. */
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

/** As a near-copy of another: what tells them apart is in the part that is quoted. */
export function copy({ item, source }) {
  const [text, other] = [item, source].map(({ data }) => String(data.text).replace(/\s+/g, " ").trim());
  const words = quoted(text, other);
  const element = excerpt(words);
  if (words !== text) element.title = text.slice(0, IN_FULL);
  return { element, words, ready: true };
}

function quoted(text, other) {
  let same = 0;
  while (same < text.length && text[same] === other[same]) same++;
  const late = text !== other && same >= LATE;
  const start = late ? boundary(text, same - BEFORE) : 0;
  const end = start + QUOTED < text.length ? boundary(text, start + QUOTED) : text.length;
  return `${start ? "…" : ""}${text.slice(start, end).trim()}${end < text.length ? "…" : ""}`;
}

/** The last start of a word before `at`; `at` itself where words are not set apart. */
function boundary(text, at) {
  const start = text.lastIndexOf(" ", at) + 1;
  return at - start < BEFORE ? start : at;
}

export function thumbnail(task) {
  return excerpt(String(task.item.data.text).slice(0, 60));
}
