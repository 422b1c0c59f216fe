// Many classes: the first ten bear digit keys, typing finds the rest. A combobox with a list that is always open.

import { gettext, isolated, ngettext } from "../../words.js";
import { Finder } from "./finder.js";
import { keysFor } from "./keys.js";
import { KEYS, Suggested, suggestionsOf } from "./suggested.js";
import { ClassTree } from "./tree.js";
import { Uses } from "./uses.js";

// More options than this are not drawn; typing on narrows them down.
const SHOWN = 100;

export class SearchPicker {
  static needsClasses = true;
  searches = true;
  #names;
  #details;
  #finder;
  #uses = new Uses(`marginalia:classes:${location.pathname}`);
  #keys;
  #choice;
  #suggested;
  #tree = null; // only where classes form one
  #browsing = false;
  #input = document.querySelector("#search");
  #list = document.querySelector("#choices");
  #found = document.querySelector("#found");
  #browse = document.querySelector("#browse");
  #chosen = document.querySelector("#chosen");
  #options = [];
  #marked = -1;

  constructor({ names, details = {}, above = [], newChoice }) {
    this.#names = names;
    this.#details = details;
    this.#finder = new Finder(names.map((name) => [name, ...(details[name]?.aliases ?? [])]));
    const choice = newChoice();
    this.#choice = choice;
    this.#suggested = new Suggested({ choose: (name) => this.#choose(name), multi: choice.multi });
    this.#keys = keysFor(names, details, this.#suggested.on);
    if (above.length) this.#plant(above);
    choice.onchange = () => this.#markChosen();
    this.#input.addEventListener("input", () => this.#show());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      // Of a double click only the first half is meant for what stood there: the list may have changed under it.
      if (option && !(choice.multi && event.detail > 1)) this.#pick(option.dataset.name);
    });
    // The field keeps the focus while the list is clicked.
    this.#list.addEventListener("mousedown", (event) => event.preventDefault());
    this.#show();
  }

  #plant(above) {
    this.#tree = new ClassTree({
      names: this.#names,
      above,
      has: (name) => this.#choice.has(name),
      onpick: (name) => this.#choose(name),
      onmore: () => this.focus(),
      onleave: () => this.browse(),
    });
    this.#browse.hidden = false;
    this.#browse.addEventListener("click", () => this.browse());
  }

  /** The classes that are chosen so far, where an answer may have several. */
  get chosen() {
    return this.#choice.chosen;
  }

  get typed() {
    return this.#input.value !== "";
  }

  focus() {
    this.#input.focus();
  }

  /** Go on with this text in the search field. */
  type(text) {
    this.focus();
    this.#input.value = text;
    this.#show();
  }

  /** What is read out with the item. */
  get spoken() {
    return this.#suggested.spoken;
  }

  /** Whether Enter takes the first suggestion. */
  get accepts() {
    return !this.#choice.multi && this.#suggested.names.length > 0;
  }

  accept() {
    this.#suggested.accept();
  }

  /** Show the tree in place of the list, or the list again. */
  browse() {
    if (!this.#tree) return;
    this.#browsing = !this.#browsing;
    this.#browse.setAttribute("aria-pressed", this.#browsing);
    if (this.typed) this.#clear();
    this.#showTree();
    if (this.#browsing) this.#tree.focus();
    else this.focus();
  }

  #showTree() {
    const shown = this.#browsing && !this.typed;
    this.#list.hidden = shown;
    this.#tree.shown = shown;
  }

  takes(key) {
    return this.#keys.includes(key) || (this.#suggested.on && KEYS.includes(key));
  }

  press(key) {
    if (this.#suggested.on && KEYS.includes(key)) {
      this.#suggested.press(key);
      return;
    }
    const index = this.#keys.indexOf(key);
    if (index >= 0) this.#choose(this.#names[index]);
  }

  send() {
    this.#choice.send();
  }

  /** Start anew, or from an answer that was taken back; `item`: what is to be answered. */
  reset(value, item) {
    if (this.#suggested.on) this.#suggested.show(suggestionsOf(item).filter((name) => this.#names.includes(name)));
    this.#choice.reset(value);
    this.#clear();
    this.#list.scrollTop = 0;
  }

  #clear() {
    if (!this.typed) return;
    this.#input.value = "";
    this.#show();
  }

  /** Mark the option that is `by` places further on. */
  move(by) {
    if (this.#browsing && !this.typed) {
      this.#tree.focus();
      return;
    }
    this.#input.focus();
    this.#mark(Math.max(0, Math.min(this.#marked + by, this.#options.length - 1)));
  }

  #choose(name) {
    if (!this.#choice.has(name)) this.#uses.add(name);
    this.#choice.pick(name);
  }

  #pick(name) {
    this.#choose(name);
    this.#clear();
    this.#mark(-1);
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      if (this.typed) this.#clear();
      else this.#input.blur();
    } else if (event.key === "Enter" && !event.repeat && (this.typed || this.#marked >= 0)) {
      const option = this.#options[this.#marked];
      if (option) this.#pick(option.dataset.name);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #show() {
    const query = this.#input.value.trim();
    const matches = query
      ? this.#finder.find(query, (index) => this.#uses.weight(this.#names[index]))
      : this.#names.map((_, index) => index);
    this.#options = matches.slice(0, SHOWN).map((index, place) => this.#option(index, place, !query));
    this.#list.replaceChildren(...this.#options);
    this.#list.scrollTop = 0;
    const count = sentence(matches.length, this.#names.length, query);
    if (count !== this.#found.textContent) this.#found.textContent = count;
    if (this.#tree) this.#showTree();
    // With nothing typed nothing is marked: Enter must not answer by accident.
    this.#mark(query ? 0 : -1);
    this.#markChosen();
  }

  #option(index, place, numbered) {
    const option = document.createElement("div");
    option.id = `class-${place}`;
    option.className = "option";
    option.role = "option";
    option.dataset.name = this.#names[index];
    const text = document.createElement("span");
    text.dir = "auto";
    text.textContent = this.#names[index];
    const path = this.#tree?.path(index) ?? [];
    if (path.length) text.append(pathLine(path));
    option.append(text);
    const { description, colour } = this.#details[this.#names[index]] ?? {};
    if (description) option.title = description;
    if (colour) {
      option.classList.add("coloured");
      option.style.setProperty("--mark", colour);
    }
    if (numbered && this.#keys[index]) {
      const hint = document.createElement("kbd");
      hint.textContent = this.#keys[index];
      hint.setAttribute("aria-hidden", "true");
      option.append(hint);
    }
    return option;
  }

  #mark(place) {
    this.#options[this.#marked]?.classList.remove("marked");
    this.#marked = place;
    const option = this.#options[place];
    if (!option) {
      this.#input.removeAttribute("aria-activedescendant");
      return;
    }
    option.classList.add("marked");
    option.scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", option.id);
  }

  #markChosen() {
    for (const option of this.#options) {
      option.setAttribute("aria-selected", this.#choice.has(option.dataset.name));
    }
    const has = (name) => this.#choice.has(name);
    this.#suggested.mark(has);
    if (this.#tree?.shown) this.#tree.markChosen();
    this.#chosen?.replaceChildren(...[...(this.#choice.chosen ?? [])].map((name) => this.#chip(name)));
  }

  #chip(name) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "chip";
    button.dir = "auto";
    button.textContent = name;
    button.setAttribute("aria-label", gettext("Drop {name}", { name: isolated(name) }));
    button.addEventListener("click", () => this.#choice.pick(name));
    item.append(button);
    return item;
  }
}

/** Where in the tree a class is. */
function pathLine(path) {
  const line = document.createElement("small");
  line.className = "path";
  line.textContent = path.map(isolated).join(" › ");
  return line;
}

function sentence(found, all, query) {
  if (query && !found) return gettext("No class matches. Esc clears the search.");
  const n = query ? found : all;
  if (found <= SHOWN) return ngettext("{n} class", "{n} classes", n);
  return ngettext("{n} class, the first {shown} shown", "{n} classes, the first {shown} shown", n, { shown: SHOWN });
}
