// One near-copy in the strip: a button that takes it out of the answer, or brings it back.

import { gettext } from "../words.js";
import { SEE_MS, Sight } from "./sight.js";

// The second half of a double click brings nothing back.
const DOUBLE_MS = 300;

export class Copy {
  /** Whether it has been taken out. */
  out = false;
  button = document.createElement("button");
  /** The id of its item. */
  id;

  #place;
  #words;
  #onchange;
  #sight;
  #pointed = false; // its button was pressed
  #madeAt = performance.now();
  #changedAt = -Infinity;

  /** `place`: from 1; `source`: the item that it is a copy of; `loaded`: what `kind.load` has made of it. */
  constructor({ item, place, source, kind, loaded, onchange }) {
    this.id = item.id;
    this.#place = place;
    this.#onchange = onchange;
    this.button.type = "button";
    this.button.className = "copy";
    this.button.addEventListener("click", () => this.#toggle());
    const { element, words = "", ready } = kind.copy({ item, source, loaded, onready: () => this.#arrived() });
    this.#words = words;
    this.#sight = new Sight(ready);
    this.button.append(element);
    this.#paint();
  }

  get loading() {
    return !this.#sight.ready;
  }

  /** It is outside of the row that is in view, and was never in it. */
  get unseen() {
    return !this.#pointed && this.#sight.missed;
  }

  /** Whether a person can have seen it at this time: only then does an answer count for it. */
  seen(at) {
    return this.#sight.ready && (this.#pointed || this.#sight.seen(at));
  }

  set(out) {
    this.out = out;
    this.#changedAt = performance.now();
    this.#paint();
    this.#onchange();
  }

  /** The browser says whether it is in view now. */
  viewed(inView) {
    this.#sight.viewed(inView);
  }

  #arrived() {
    this.#sight.loaded();
    this.#paint();
    this.#onchange();
  }

  #toggle() {
    const now = performance.now();
    if (now - this.#madeAt < SEE_MS || now - this.#changedAt < DOUBLE_MS) return;
    this.#pointed = true;
    this.set(!this.out);
  }

  #paint() {
    const state = this.out ? gettext("taken out") : this.#sight.ready ? gettext("included") : gettext("not loaded yet");
    const name = gettext("Copy {number}, {state}", { number: this.#place, state });
    this.button.setAttribute("aria-pressed", !this.out);
    this.button.setAttribute("aria-label", this.#words ? `${name}: ${this.#words}` : name);
    this.button.dataset.state = this.#sight.ready ? "ready" : "loading";
  }
}
