// What a chosen class does: it answers at once, or waits among others until the answer is sent.

import { gettext, isolated, listed, ngettext } from "../../words.js";

/** One class answers at once. */
export class OneOf {
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
export class ManyOf {
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
    this.onanswer(names, listed(names.map(isolated)) || gettext("None applies"));
  }

  /** Start anew, or from an answer that was taken back. */
  reset(value) {
    this.chosen = new Set(Array.isArray(value) ? value : []);
    this.#show();
  }

  #show() {
    const { size } = this.chosen;
    this.#text.textContent = size ? ngettext("Send {n} chosen", "Send {n} chosen", size) : gettext("None applies");
    this.onchange();
  }
}
