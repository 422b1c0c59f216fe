// Vectors, as a table of what their numbers are called.

import { gettext } from "../../words.js";
import { foreign, named, note, shown } from "./parts.js";

export const keys = {};
export const commands = {};

export function load() {
  return null;
}

export const files = () => [];

export function show(place, task) {
  place.replaceChildren(table(task.item.data));
}

export function thumbnail(task) {
  return named(task, gettext("Vector"));
}

function table(data) {
  const names = Object.keys(data);
  if (!names.length) return note(gettext("This item is a bare vector: it has no named fields to show."));
  const made = document.createElement("table");
  made.className = "values";
  const body = made.createTBody();
  for (const name of names) {
    const row = body.insertRow();
    const head = foreign("th", name);
    head.scope = "row";
    const cell = foreign("td", shown(data[name]));
    if (typeof data[name] === "number") cell.className = "number";
    row.append(head, cell);
  }
  return made;
}
