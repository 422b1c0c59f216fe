// The strip of near-copies beside the item in sight, which get its answer too unless they are taken out.
//
// An answer does not count for a copy that a person cannot have seen: the copy has not loaded, or was not in view for as
// long as it takes to see it. Where the row is longer than the screen is wide, the copies outside count once they have
// been scrolled to.

import { forward, gettext } from "../words.js";
import { Copy } from "./copy.js";
import { copiesSentence } from "./sentences.js";
import { watchSight } from "./sight.js";

const DOUBLE_MS = 300;
const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };

export class Copies {
  #kind;
  #preloader;
  #view;
  #copies = [];
  #text = document.querySelector("#copies-text");
  #hint = document.querySelector("#copies-hint");
  #list = document.querySelector("#copies-list");
  #observer = watchSight(
    (button) => this.#copies.find((copy) => copy.button === button),
    () => this.#tell(),
  );
  #before = null; // what had the focus before the strip
  #allAt = -Infinity;
  #scrolled = false; // to ask the row itself would have the page laid out once more for each item

  constructor({ kind, preloader, view }) {
    this.#kind = kind;
    this.#preloader = preloader;
    this.#view = view;
    // A click must not take the focus along: the next press of Space would then repeat the click.
    this.#list.addEventListener("mousedown", (event) => event.preventDefault());
    this.#list.addEventListener("scroll", () => (this.#scrolled = true), { passive: true });
    this.#list.addEventListener("focusin", (event) => this.#rove(event.target));
  }

  /** Show the copies of this task's item, all of them included. Null: no single item is on the screen. */
  show(task) {
    this.#observer.disconnect();
    const items = task?.item.copies ?? [];
    const loaded = items.length ? this.#preloader.copies(task) : [];
    const onchange = () => this.#tell();
    this.#copies = items.map(
      (item, at) => new Copy({ item, place: at + 1, source: task.item, kind: this.#kind, loaded: loaded[at], onchange }),
    );
    const buttons = this.#copies.map((copy) => copy.button);
    this.#list.replaceChildren(...buttons);
    this.#list.hidden = !buttons.length;
    if (this.#scrolled) this.#list.scrollTo(0, 0);
    this.#scrolled = false;
    this.#rove(buttons[0]);
    for (const button of buttons) this.#observer.observe(button);
    this.#tell();
  }

  /** What a screen reader says of an item that has just come: how many get its answer, once they have loaded. */
  get spoken() {
    const { length: all } = this.#copies;
    return all ? `${copiesSentence({ all, counted: all, loading: 0, unseen: 0 })}.` : "";
  }

  /** What an answer given at this time says of those that were seen, as the API takes it. */
  answer(at) {
    const seen = this.#copies.filter((copy) => copy.seen(at));
    if (!seen.length) return {};
    const ids = (out) => seen.filter((copy) => copy.out === out).map((copy) => copy.id);
    return { same: ids(false), different: ids(true) };
  }

  /** Move the focus into the strip. */
  enter() {
    if (!this.#copies.length) return this.#say(gettext("This item has no near-copies"));
    if (this.#list.contains(document.activeElement)) return;
    this.#before = document.activeElement;
    this.#focus(this.#list.querySelector('[tabindex="0"]'));
  }

  /** Take all out, or bring all back where all are out. */
  toggleAll() {
    if (!this.#copies.length) return this.#say(gettext("This item has no near-copies"));
    if (performance.now() - this.#allAt < DOUBLE_MS) return;
    this.#allAt = performance.now();
    const out = this.#copies.some((copy) => !copy.out);
    for (const copy of this.#copies) copy.set(out);
    this.#say(out ? gettext("All near-copies taken out") : gettext("All near-copies included"));
  }

  /** Carry out what a key does while the focus is in the strip. False if it does nothing here. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const at = this.#copies.findIndex(({ button }) => button === document.activeElement);
    if (at < 0) return false;
    const to = this.#next(forward(event.key), at);
    if (event.key === "Escape") this.#leave();
    else if (to === null) return false;
    else this.#focus(this.#copies[to]?.button);
    return true;
  }

  /** Where a key leads to from here: past an end if there is nothing, null for other keys. */
  #next(key, at) {
    if (key === "Home") return 0;
    if (key === "End") return this.#copies.length - 1;
    const top = this.#copies[0].button.offsetTop;
    const columns = this.#copies.filter(({ button }) => button.offsetTop === top).length;
    // In a single row up and down stay what they are elsewhere.
    if (columns === this.#copies.length && !["ArrowLeft", "ArrowRight"].includes(key)) return null;
    return key in STEPS ? at + STEPS[key](columns) : null;
  }

  #leave() {
    document.activeElement.blur();
    if (this.#before?.isConnected && this.#before !== document.body) this.#before.focus();
  }

  #focus(button) {
    button?.focus({ preventScroll: true });
    button?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #rove(button) {
    for (const each of this.#copies) each.button.tabIndex = each.button === button ? 0 : -1;
  }

  #tell() {
    const counted = this.#copies.filter((copy) => !copy.out);
    const loading = counted.filter((copy) => copy.loading).length;
    const unseen = counted.filter((copy) => !copy.loading && copy.unseen).length;
    const words = copiesSentence({ all: this.#copies.length, counted: counted.length, loading, unseen });
    if (words !== this.#text.textContent) this.#text.textContent = words;
    this.#hint.hidden = !counted.length || loading > 0 || unseen > 0;
  }

  #say(sentence) {
    this.#view.tell(sentence);
    this.#view.announce(sentence);
  }
}
