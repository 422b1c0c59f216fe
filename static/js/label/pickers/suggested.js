// The classes that are suggested, a key each, in a place of their own. They choose as all others do.

import { gettext, isolated, listed } from "../../words.js";
import { choiceButton, flash } from "./keys.js";

/** Keys that choose a suggestion, and nothing else where classes are suggested: a person must not answer by the place where another
 *  class stands, because an item has no suggestion. */
export const KEYS = "12345";

/** The classes suggested for an item, if they are to be chosen by keys. */
export function suggestionsOf({ suggestions, prediction } = {}) {
  return suggestions ?? (typeof prediction?.value === "string" ? [prediction.value] : []);
}

export class Suggested {
  names = [];
  #place = document.querySelector("#suggested");
  #choose;
  #multi;

  /** `choose(name)`; `multi`: a class is chosen or dropped again. */
  constructor({ choose, multi }) {
    this.#choose = choose;
    this.#multi = multi;
  }

  /** Whether classes are suggested at all. */
  get on() {
    return Boolean(this.#place);
  }

  show(names) {
    this.names = names;
    this.#place?.replaceChildren(...(names.length ? names.map((name, at) => this.#button(name, at)) : [none()]));
  }

  press(key) {
    const at = KEYS.indexOf(key);
    if (at in this.names) this.#answer(at);
  }

  /** Take the first. */
  accept() {
    if (this.names.length) this.#answer(0);
  }

  mark(has) {
    if (!this.#multi) return;
    for (const button of this.#place?.querySelectorAll("button") ?? []) button.setAttribute("aria-pressed", has(button.value));
  }

  /** What is read out with the item. */
  get spoken() {
    return this.names.length ? `${gettext("Suggested: {answer}", { answer: listed(this.names.map((name, at) => `${at + 1} ${isolated(name)}`)) })}.` : "";
  }

  #answer(at) {
    flash(this.#place.children[at]);
    this.#choose(this.names[at]);
  }

  #button(name, at) {
    const button = choiceButton(name, at || this.#multi ? KEYS[at] : `${KEYS[at]} Enter`);
    button.title = name; // of a long one two lines are in sight
    button.addEventListener("click", () => this.#answer(at));
    return button;
  }
}

function none() {
  const note = document.createElement("p");
  note.className = "hint";
  note.textContent = gettext("No suggestion for this item");
  return note;
}
