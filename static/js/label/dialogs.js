// The three dialogs: why an item is skipped, the guidelines, the keys.

import { gettext, isolated } from "../words.js";

const REMEMBERED = "marginalia:skip-reason";

function dialog(id) {
  const element = document.querySelector(id);
  element.querySelector("[data-close]").addEventListener("click", () => shut(element));
  element.addEventListener("click", (event) => {
    if (event.target === element) shut(element); // beside it
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    shut(element);
  });
  // By the phone's own gesture. The event comes late: it may have been opened again.
  element.addEventListener("close", () => element.open || leave(element));
  return element;
}

function shut(element) {
  element.close();
  leave(element);
}

/**
 * Take the focus out of a dialog that is closed. Where nothing was focused before, browsers leave it there until they
 * draw next, and a key that is pressed within these milliseconds would go to an invisible button.
 */
function leave(element) {
  if (element.contains(document.activeElement)) document.activeElement.blur();
}

export class Dialogs {
  /** Called with the reason for a skip and the reason in the page's words, the name of a class if one is proposed, and a
   *  comment. */
  onskip = () => {};

  #skip = dialog("#skip-dialog");
  #guide = dialog("#guide-dialog");
  #keys = dialog("#keys-dialog");
  #propose = document.querySelector("#propose"); // only there if the manager allows it
  #proposed = document.querySelector("#proposed-class");
  #comment = document.querySelector("#skip-comment");
  #reasons = [...this.#skip.querySelectorAll("[data-reason]")];

  constructor() {
    for (const button of this.#reasons) button.addEventListener("click", () => this.#choose(button));
    this.#skip.addEventListener("keydown", (event) => this.#key(event));
    this.#propose?.addEventListener("submit", (event) => this.#send(event));
  }

  get open() {
    return this.#skip.open || this.#guide.open || this.#keys.open;
  }

  askWhy() {
    if (this.#proposed) this.#proposed.value = "";
    this.#comment.value = "";
    this.#skip.showModal();
    this.#last().focus(); // Enter gives the last reason again
  }

  #last() {
    const last = recall();
    return this.#reasons.find((each) => each.dataset.reason === last) ?? this.#reasons[0];
  }

  /** The item that was to be skipped is gone. */
  cancelSkip() {
    if (this.#skip.open) shut(this.#skip);
  }

  showGuide() {
    this.#guide.showModal();
  }

  showKeys() {
    this.#keys.showModal();
  }

  #key(event) {
    if (event.target === this.#comment && event.key === "Enter") {
      event.preventDefault(); // the same press must not click the button that it leads to
      this.#last().focus();
    }
    if (event.target === this.#proposed || event.target === this.#comment) return; // what is typed there is text
    const button = /^[1-9]$/.test(event.key) && !event.repeat && this.#reasons[Number(event.key) - 1];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (button) this.#choose(button);
    else if (this.#proposed && event.key === String(this.#reasons.length + 1)) this.#proposed.focus();
    else if (event.key.toLowerCase() === "c") this.#comment.focus();
    else if (step) this.#move(step);
    else if (event.key === " ") event.preventDefault(); // the Space that opened it, pressed twice, must not choose
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #move(step) {
    const at = this.#reasons.indexOf(document.activeElement);
    this.#reasons[(at + step + this.#reasons.length) % this.#reasons.length].focus();
  }

  #send(event) {
    event.preventDefault();
    const name = this.#proposed.value.trim().replace(/\s+/g, " ");
    if (!name) return;
    shut(this.#skip);
    this.onskip(`None of these: ${name}`, gettext("None of these: {name}", { name: isolated(name) }), name, this.#comment.value.trim());
  }

  #choose(button) {
    const { reason } = button.dataset;
    remember(reason);
    shut(this.#skip);
    this.onskip(reason, button.querySelector("span").textContent, undefined, this.#comment.value.trim());
  }
}

function remember(reason) {
  try {
    localStorage.setItem(REMEMBERED, reason);
  } catch {
    // Then the first reason is offered again.
  }
}

function recall() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}
