// Pickers: how a value is chosen. Each has `digit(key)`, `send()`, `reset()` and `typed`, and calls `onanswer(value, said)`
// with a value as the API takes it and as people say it.

import { SearchPicker } from "./search.js";
import { isolated } from "./sentences.js";

const POSITIONS = "1234567890";

/** The digit key of each class: its own name where all classes are called by one digit, else its position. */
export function keysFor(names) {
  const digits = names.length <= 10 && names.every((name) => /^[0-9]$/.test(name));
  return names.slice(0, 10).map((name, index) => (digits ? name : POSITIONS[index]));
}

export function createPicker(kind, { names, multi, onanswer }) {
  if (kind === "verify") return new VerifyPicker(onanswer);
  const choice = multi ? new ManyOf(onanswer) : new OneOf(onanswer);
  return kind === "search" ? new SearchPicker(names, keysFor(names), choice) : new ButtonPicker(names, choice);
}

/** Show for a moment which button a key has pressed. */
export function flash(button) {
  button.classList.remove("pressed");
  void button.offsetWidth; // start the animation again
  button.classList.add("pressed");
}

/** One class answers at once. */
class OneOf {
  multi = false;
  onchange = () => {};

  constructor(onanswer) {
    this.onanswer = onanswer;
  }

  has() {
    return false;
  }

  pick(name) {
    this.onanswer(name, name);
  }

  send() {}

  reset() {}
}

/** Classes are collected until the answer is sent. */
class ManyOf {
  multi = true;
  chosen = new Set();
  onchange = () => {};

  #text = document.querySelector("#send-text");

  constructor(onanswer) {
    this.onanswer = onanswer;
    document.querySelector("#send").addEventListener("click", () => this.send());
  }

  has(name) {
    return this.chosen.has(name);
  }

  pick(name) {
    if (!this.chosen.delete(name)) this.chosen.add(name);
    this.#show();
  }

  send() {
    const names = [...this.chosen];
    this.onanswer(names, names.map(isolated).join(", ") || "None applies");
  }

  /** Start anew, or from an answer that was taken back. */
  reset(value) {
    this.chosen = new Set(Array.isArray(value) ? value : []);
    this.#show();
  }

  #show() {
    const { size } = this.chosen;
    this.#text.textContent = size ? `Send ${size} chosen` : "None applies";
    this.onchange();
  }
}

/** A button for each of at most ten classes. */
class ButtonPicker {
  typed = false;
  #buttons = new Map();
  #choice;

  constructor(names, choice) {
    this.#choice = choice;
    const keys = keysFor(names);
    const place = document.querySelector("#choices");
    place.dataset.width = widthOf(names);
    names.forEach((name, index) => this.#buttons.set(keys[index], this.#button(name, keys[index])));
    place.replaceChildren(...this.#buttons.values());
    choice.onchange = () => this.#mark();
    this.#mark();
  }

  digit(key) {
    const button = this.#buttons.get(key);
    if (!button) return;
    flash(button);
    this.#choice.pick(button.value);
  }

  send() {
    this.#choice.send();
  }

  reset(value) {
    this.#choice.reset(value);
  }

  #button(name, key) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button choice";
    button.value = name;
    const text = document.createElement("span");
    text.textContent = name;
    const hint = document.createElement("kbd");
    hint.textContent = key;
    hint.setAttribute("aria-hidden", "true");
    button.setAttribute("aria-keyshortcuts", key);
    button.append(text, hint);
    button.addEventListener("click", () => {
      flash(button);
      this.#choice.pick(name);
    });
    return button;
  }

  #mark() {
    if (!this.#choice.multi) return;
    for (const button of this.#buttons.values()) button.setAttribute("aria-pressed", this.#choice.has(button.value));
  }
}

/** How much room a button needs: the columns follow from it. */
function widthOf(names) {
  const longest = Math.max(...names.map((name) => name.length));
  if (longest <= 3) return "short";
  if (longest <= 9) return "narrow";
  return longest <= 22 ? "medium" : "long";
}

class VerifyPicker {
  typed = false;
  #yes = document.querySelector('#answers [data-value="true"]');
  #no = document.querySelector('#answers [data-value="false"]');
  #onanswer;

  constructor(onanswer) {
    this.#onanswer = onanswer;
    this.#yes.addEventListener("click", () => this.yes());
    this.#no.addEventListener("click", () => this.no());
  }

  yes() {
    flash(this.#yes);
    this.#onanswer(true, "Yes");
  }

  no() {
    flash(this.#no);
    this.#onanswer(false, "No");
  }

  digit() {}

  send() {}

  reset() {}
}
