// One near-copy in the strip: a button that takes it out of the answer, or brings it back.

// Nobody sees in less what has just come.
const SEE_MS = 300;
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
  #ready = false;
  #inView = false;
  #passed = false; // the browser has said whether it is in view
  #sightedAt = null; // since when it has been loaded and in view
  #pointed = false; // somebody has pressed its button
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
    this.#ready = ready;
    this.button.append(element);
    this.#paint();
  }

  get loading() {
    return !this.#ready;
  }

  /** It is outside of the row that is in view, and was never in it. */
  get unseen() {
    return this.#passed && this.#sightedAt === null;
  }

  /** Whether somebody can have seen it: only then does an answer say anything of it. */
  get seen() {
    if (!this.#ready) return false;
    return this.#pointed || (this.#sightedAt !== null && performance.now() - this.#sightedAt >= SEE_MS);
  }

  set(out) {
    this.out = out;
    this.#changedAt = performance.now();
    this.#paint();
    this.#onchange();
  }

  /** The browser says whether it is in view now. */
  viewed(inView) {
    this.#passed = true;
    this.#inView = inView;
    // Rushed past is not seen.
    if (!inView && !this.seen) this.#sightedAt = null;
    this.#sight();
  }

  #arrived() {
    this.#ready = true;
    this.#sight();
    this.#paint();
    this.#onchange();
  }

  #sight() {
    if (this.#ready && this.#inView) this.#sightedAt ??= performance.now();
  }

  #toggle() {
    const now = performance.now();
    if (now - this.#madeAt < SEE_MS || now - this.#changedAt < DOUBLE_MS) return;
    this.#pointed = true;
    this.set(!this.out);
  }

  #paint() {
    const state = this.out ? "taken out" : this.#ready ? "included" : "not loaded yet";
    this.button.setAttribute("aria-pressed", !this.out);
    this.button.setAttribute("aria-label", `Copy ${this.#place}, ${state}${this.#words && `: ${this.#words}`}`);
    this.button.dataset.state = this.#ready ? "ready" : "loading";
  }
}
