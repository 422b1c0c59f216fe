import { gettext, isolated } from "../../words.js";
import { choiceButton, flash, keysFor } from "./keys.js";
import { suggestionsOf } from "./suggested.js";

// How much room a button needs at least, in rem, and how many stand side by side at most.
const LEAST_REM = { short: 3, narrow: 6.5, medium: 8.75, long: 18 };
const GAP_REM = 0.5;
const MOST = 5;

/** A button for each of at most ten classes. */
export class ButtonPicker {
  static needsClasses = true;
  typed = false;
  #buttons;
  #byKey;
  #choice;
  #suggested;

  constructor({ names, details = {}, newChoice }) {
    const choice = newChoice();
    this.#choice = choice;
    const keys = keysFor(names, details);
    const place = document.querySelector("#choices");
    place.dataset.width = this.widthOf(names);
    this.#buttons = names.map((name, index) => this.#button(name, keys[index], details[name]));
    this.#byKey = new Map(this.#buttons.map((button, index) => [keys[index], button]));
    place.replaceChildren(...this.#buttons);
    if (place.dataset.width in LEAST_REM) new ResizeObserver(() => this.#layOut(place)).observe(place);
    choice.onchange = () => this.#mark();
    this.#mark();
  }

  /** How much room a button needs: the columns follow from it. */
  widthOf(names) {
    const longest = Math.max(...names.map((name) => name.length));
    if (longest <= 3) return "short";
    if (longest <= 9) return "narrow";
    return longest <= 22 ? "medium" : "long";
  }

  /** As few rows as there is room for, each as full as the others: no button stands alone beside an empty row. */
  #layOut(place) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const room = place.clientWidth / rem + GAP_REM;
    const fit = Math.max(1, Math.min(MOST, Math.floor(room / (LEAST_REM[place.dataset.width] + GAP_REM))));
    const rows = Math.ceil(this.#buttons.length / fit);
    place.style.setProperty("--columns", Math.ceil(this.#buttons.length / rows));
  }

  /** The classes that are chosen so far, where an answer may have several. */
  get chosen() {
    return this.#choice.chosen;
  }

  takes(key) {
    return this.#byKey.has(key);
  }

  press(key) {
    const button = this.#byKey.get(key);
    if (!button) return;
    flash(button);
    this.#choice.pick(button.value);
  }

  send() {
    this.#choice.send();
  }

  /** What is read out with the item. */
  get spoken() {
    return this.#suggested ? `${gettext("Suggested: {answer}", { answer: isolated(this.#suggested.value) })}.` : "";
  }

  /** Whether Enter takes the suggestion. */
  get accepts() {
    return !this.#choice.multi && Boolean(this.#suggested);
  }

  accept() {
    flash(this.#suggested);
    this.#choice.pick(this.#suggested.value);
  }

  /** Start anew, or from an answer that was taken back; `item`: what is to be answered, its suggestion marked. */
  reset(value, item) {
    const [name] = suggestionsOf(item);
    this.#suggested = this.#buttons.find((button) => button.value === name);
    for (const button of this.#buttons) {
      const on = button === this.#suggested;
      const hint = button.querySelector("kbd");
      button.classList.toggle("suggests", on);
      const text = on && !this.#choice.multi ? `${button.dataset.key} Enter` : button.dataset.key;
      if (hint && hint.textContent !== text) hint.textContent = text;
    }
    this.#choice.reset(value);
  }

  #button(name, key, { colour, description } = {}) {
    const button = choiceButton(name, key);
    button.dataset.key = key;
    if (description) {
      button.title = description;
      button.setAttribute("aria-description", description);
    }
    if (colour) {
      button.classList.add("coloured");
      button.style.setProperty("--mark", colour);
    }
    button.addEventListener("click", () => {
      flash(button);
      this.#choice.pick(name);
    });
    return button;
  }

  #mark() {
    if (!this.#choice.multi) return;
    for (const button of this.#buttons) button.setAttribute("aria-pressed", this.#choice.has(button.value));
  }
}
