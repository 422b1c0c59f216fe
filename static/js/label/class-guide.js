// What the classes mean, below the guidelines: of each that has more than a name its description and its examples.

import { gettext, isolated } from "../words.js";
import { foreign } from "./kinds/parts.js";

/** Fill the panel. `details`: by the class's name, as the server gives them; `kind` draws the examples. */
export function showClasses(names, details, kind) {
  const known = names.filter((name) => details[name]?.description || details[name]?.examples);
  document.querySelector("#guide-classes").hidden = !known.length;
  document.querySelector("#guide-class-list").replaceChildren(...known.map((name) => part(name, details[name], kind)));
}

function part(name, { description = "", examples = [] }, kind) {
  const made = document.createElement("section");
  made.append(foreign("h4", name));
  if (description) made.append(foreign("p", description));
  if (!examples.length) return made;
  const list = document.createElement("ul");
  list.setAttribute("aria-label", gettext("Examples of {name}", { name: isolated(name) }));
  list.append(...examples.map((item, place) => example(item, gettext("{name}, example {number}", { name: isolated(name), number: place + 1 }), kind)));
  made.append(list);
  return made;
}

function example(item, words, kind) {
  const made = document.createElement("li");
  const thumbnail = kind.thumbnail({ item });
  if (thumbnail instanceof HTMLImageElement) {
    thumbnail.alt = words;
    thumbnail.loading = "lazy";
  }
  made.append(thumbnail);
  return made;
}
