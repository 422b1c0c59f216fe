// The page's places, and what is put into them. Decides nothing.

import { gettext } from "../words.js";
import { suggestionsOf } from "./pickers/suggested.js";
import { ENDLESS, predictionSentence } from "./sentences.js";

const TOLD_MS = 6_000;

export class View {
  #main = document.querySelector("#content");
  #stage = document.querySelector("#stage");
  #item = document.querySelector("#item");
  #proposed = document.querySelector("#proposed");
  #prediction = document.querySelector("#prediction"); // only there if the manager allows it
  /** What is written here goes with a flagged answer. */
  comment = document.querySelector("#comment");

  #commentField = document.querySelector("#comment-field");
  #flag = document.querySelector("#flag");
  #flagText = document.querySelector("#flag-text");
  #told = document.querySelector("#told");
  #announce = document.querySelector("#announce");
  #unsent = document.querySelector("#unsent");
  #signIn = document.querySelector("#sign-in");
  #panel = {
    title: document.querySelector("#panel-title"),
    text: document.querySelector("#panel-text"),
    bar: document.querySelector("#panel-bar"),
    button: document.querySelector("#panel-button"),
    link: document.querySelector("#panel-link"),
  };
  #kind;
  #untell = null;
  #onbutton = null;

  constructor(kind) {
    this.#kind = kind;
    this.#panel.button.addEventListener("click", () => this.#onbutton?.());
    document.querySelector("#answers").addEventListener("mousedown", keepFocus);
    document.querySelector(".actions").addEventListener("mousedown", keepFocus);
  }

  /** Whether an item is on the screen. */
  get showsItem() {
    return this.#main.dataset.state === "item";
  }

  /** Whether a grid is. */
  get showsGrid() {
    return this.#main.dataset.state === "grid";
  }

  get stage() {
    return this.#stage;
  }

  get item() {
    return this.#item;
  }

  showTask(task, loaded) {
    this.#main.dataset.state = "item";
    this.#stage.dataset.task = task.id;
    this.#kind.show(this.#item, task, loaded);
    this.#item.scrollTop = 0;
    this.showNames(task.item);
  }

  /** Show the class that the item proposes, and the answer that is suggested. */
  showNames(item) {
    this.#proposed.hidden = item.proposed === undefined;
    this.#proposed.textContent = item.proposed ?? "";
    const listed = document.querySelector("#suggested") && suggestionsOf(item).length;
    this.#showPrediction(listed ? undefined : item.prediction);
  }

  /** Make room for a grid about this class; `first`: the id of its first task. */
  showGrid(name, first) {
    this.#main.dataset.state = "grid";
    this.#stage.dataset.task = first;
    this.#item.replaceChildren();
    this.#proposed.hidden = false;
    this.#proposed.textContent = name;
    this.#showPrediction(undefined);
  }

  #showPrediction(prediction) {
    if (!this.#prediction) return;
    this.#prediction.hidden = prediction === undefined;
    this.#prediction.textContent = prediction === undefined ? "" : predictionSentence(prediction);
  }

  /** Nothing to show for a moment; the panel says so if the moment gets long. */
  showLoading() {
    this.showPanel({ title: gettext("Fetching your items"), text: "" });
    this.#main.dataset.state = "loading";
  }

  /** Say what goes on instead of an item. `bar`: a share from 0 to 1, or ENDLESS. */
  showPanel({ title, text, bar = null, button = "", onbutton = null, home = false }) {
    const before = this.#panel.title.textContent;
    this.#main.dataset.state = "waiting";
    delete this.#stage.dataset.task;
    this.#item.replaceChildren();
    this.#proposed.hidden = true;
    this.#showPrediction(undefined);
    this.#panel.title.textContent = title;
    this.#panel.text.textContent = text;
    this.#panel.bar.hidden = bar === null;
    if (bar === ENDLESS) this.#panel.bar.removeAttribute("value");
    else this.#panel.bar.value = bar ?? 0;
    this.#panel.button.hidden = !button;
    this.#panel.button.textContent = button;
    this.#onbutton = onbutton;
    this.#panel.link.hidden = !home;
    // The seconds that run down would be read out every second: what is announced is the change of state.
    if (title !== before && text) this.announce(`${title}. ${text}`);
  }

  showFlag(on) {
    this.#flag.setAttribute("aria-pressed", on);
    this.#flagText.textContent = on ? gettext("Flagged") : gettext("Flag");
    this.#commentField.hidden = !on;
    if (!on) this.comment.value = "";
  }

  /** One calm line, for a while. */
  tell(sentence) {
    clearTimeout(this.#untell);
    this.#told.textContent = sentence;
    this.#untell = setTimeout(() => (this.#told.textContent = ""), TOLD_MS);
  }

  /** For screen readers: they hear it when they have finished what they say. */
  announce(sentence) {
    this.#announce.textContent = sentence;
  }

  showUnsent(sentence, signedOut) {
    if (sentence && this.#unsent.hidden) this.announce(sentence);
    this.#unsent.hidden = !sentence;
    this.#unsent.textContent = sentence;
    this.#signIn.hidden = !signedOut;
  }

  scroll(share) {
    this.#item.scrollBy({ top: share * this.#item.clientHeight });
  }
}

/** A click must not take the focus along: the next press of Space would then repeat the click. */
function keepFocus(event) {
  if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
}
