// Classes as a tree: arrows open, close and move, Enter takes one. Only what is open is drawn.

import { forward, ngettext, number } from "../../words.js";

// More classes below one are not drawn; the search finds them.
const SHOWN = 200;

export class ClassTree {
  #names;
  #above;
  #below = new Map();
  #place = document.querySelector("#tree");
  #has;
  #onpick;
  #onmore;
  #onleave;
  #rows = []; // { index, level, row }, as they stand
  #at = -1;

  /** `above`: for each name the place of the class above it, -1 for none. `onmore`: called for classes that are not drawn;
   *  `onleave`: or the list. */
  constructor({ names, above, has, onpick, onmore, onleave }) {
    this.#names = names;
    this.#above = above;
    this.#has = has;
    this.#onpick = onpick;
    this.#onmore = onmore;
    this.#onleave = onleave;
    above.forEach((over, index) => {
      if (!this.#below.has(over)) this.#below.set(over, []);
      this.#below.get(over).push(index);
    });
    this.#place.addEventListener("keydown", (event) => this.#key(event));
    this.#place.addEventListener("focus", () => this.#at < 0 && this.#mark(0));
    this.#place.addEventListener("click", (event) => this.#click(event));
  }

  get shown() {
    return !this.#place.hidden;
  }

  set shown(on) {
    this.#place.hidden = !on;
    if (on && !this.#rows.length) this.#insert(0, this.#rowsOf(-1, 1));
    if (on) this.markChosen();
  }

  focus() {
    this.#place.focus();
  }

  /** The names of the classes above one, from the root on; none if its own name says them. */
  path(index) {
    const names = [];
    if (this.#called(index) !== this.#names[index]) return names;
    for (let over = this.#above[index]; over >= 0; over = this.#above[over]) names.unshift(this.#called(over));
    return names;
  }

  markChosen() {
    for (const { index, row } of this.#rows) if (index >= 0) row.setAttribute("aria-selected", this.#has(this.#names[index]));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const act = {
      ArrowDown: () => this.#mark(this.#at + 1),
      ArrowUp: () => this.#mark(this.#at - 1),
      ArrowRight: () => this.#right(),
      ArrowLeft: () => this.#left(),
      Home: () => this.#mark(0),
      End: () => this.#mark(this.#rows.length - 1),
      Escape: () => this.#onleave(),
      Enter: () => !event.repeat && this.#take(this.#at),
    }[forward(event.key)];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  #click(event) {
    const at = this.#rows.findIndex(({ row }) => row === event.target.closest("[role=treeitem]"));
    if (at < 0) return;
    this.#mark(at);
    if (event.target.closest(".twist")) this.#toggle(at);
    // Of a double click only the first half is meant for what stood there.
    else if (event.detail < 2) this.#take(at);
  }

  #take(at) {
    const { index } = this.#rows[at] ?? {};
    if (index >= 0) this.#onpick(this.#names[index]);
    else if (index < 0) this.#onmore();
  }

  #right() {
    const { row } = this.#rows[this.#at] ?? {};
    const open = row?.getAttribute("aria-expanded");
    if (open === "true") this.#mark(this.#at + 1);
    else if (open === "false") this.#toggle(this.#at);
  }

  #left() {
    const { row, level } = this.#rows[this.#at] ?? {};
    if (row?.getAttribute("aria-expanded") === "true") this.#toggle(this.#at);
    else this.#mark(this.#rows.findLastIndex((each, at) => at < this.#at && each.level < level));
  }

  #toggle(at) {
    const { index, level, row } = this.#rows[at];
    const open = row.getAttribute("aria-expanded") !== "true";
    row.setAttribute("aria-expanded", open);
    if (open) {
      this.#insert(at + 1, this.#rowsOf(index, level + 1));
      return;
    }
    const end = this.#rows.findIndex((each, place) => place > at && each.level <= level);
    for (const gone of this.#rows.splice(at + 1, (end < 0 ? this.#rows.length : end) - at - 1)) gone.row.remove();
  }

  #insert(at, rows) {
    const before = this.#rows[at]?.row ?? null;
    const all = document.createDocumentFragment();
    all.append(...rows.map(({ row }) => row));
    this.#place.insertBefore(all, before);
    this.#rows.splice(at, 0, ...rows);
  }

  #rowsOf(over, level) {
    const below = this.#below.get(over) ?? [];
    const rows = below.slice(0, SHOWN).map((index, at) => ({ index, level, row: this.#row(index, level, at, below.length) }));
    if (below.length > SHOWN) rows.push({ index: -1, level, row: this.#more(over, below.length, level) });
    return rows;
  }

  #row(index, level, at, size) {
    const row = item(`node-${index}`, level, at, size);
    const below = this.#below.get(index)?.length ?? 0;
    const twist = document.createElement("span");
    twist.className = "twist";
    const text = document.createElement("span");
    text.className = "name";
    text.dir = "auto";
    text.textContent = this.#called(index);
    row.append(twist, text);
    if (below) {
      row.setAttribute("aria-expanded", "false");
      const count = document.createElement("span");
      count.className = "muted small";
      count.textContent = number(below);
      count.setAttribute("aria-hidden", "true");
      row.append(count);
    }
    row.setAttribute("aria-selected", this.#has(this.#names[index]));
    return row;
  }

  #more(over, size, level) {
    const row = item(`more-${over}`, level, SHOWN, size);
    row.textContent = ngettext("{n} more: type a part of the name", "{n} more: type a part of the name", size - SHOWN);
    row.classList.add("muted");
    return row;
  }

  /** A name that goes on from that of the class above it says the rest. */
  #called(index) {
    const over = `${this.#names[this.#above[index]]} > `;
    return this.#names[index].startsWith(over) ? this.#names[index].slice(over.length) : this.#names[index];
  }

  #mark(at) {
    const { row } = this.#rows[at] ?? {};
    if (!row) return;
    this.#rows[this.#at]?.row.classList.remove("marked");
    this.#at = at;
    row.classList.add("marked");
    row.scrollIntoView({ block: "nearest" });
    this.#place.setAttribute("aria-activedescendant", row.id);
  }
}

function item(id, level, at, size) {
  const row = document.createElement("div");
  row.id = id;
  row.className = "option node";
  row.role = "treeitem";
  row.ariaLevel = level;
  row.ariaPosInSet = at + 1;
  row.ariaSetSize = size;
  row.style.setProperty("--level", level - 1);
  return row;
}
