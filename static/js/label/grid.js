// Many items side by side: draws the cells and hears what people do with them. Decides nothing about answers.
//
// A listbox: an option that is selected is marked wrong. Arrows move the focus in two dimensions, Space marks. A mouse
// marks all that it sweeps over with its button held, a finger marks what it taps.

import { forward, gettext } from "../words.js";
import { predictionSentence } from "./sentences.js";
import { Sight, watchSight } from "./sight.js";

const LEAST_CELLS = 12;
const MOST_CELLS = 60;
// The smallest cell in pixels, by kind of item: narrow windows have smaller ones.
const SIZES = { image: { wide: [112, 112], narrow: [88, 88] }, text: { wide: [240, 120], narrow: [150, 104] } };
// Kinds whose cells may be as low as what is in them, in lines as of a list.
const DENSE = new Set(["text"]);
const NARROW_PX = 640;
const GAP_PX = 6;
// The second half of a double click takes nothing back.
const DOUBLE_MS = 300;
// A person cannot have chosen a cell that appeared this recently.
const GLANCE_MS = 300;
const STEPS = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };
// What a cell is called, by its mark.
const NAMES = {
  "": (number) => gettext("Item {number}", { number }),
  wrong: (number) => gettext("Item {number}, wrong", { number }),
  alone: (number) => gettext("Item {number}, set aside", { number }),
};

export class Grid {
  /** Called after each change of a mark, and of what is in view. */
  onchange = () => {};

  #place = document.querySelector("#grid");
  #kind;
  #sizes;
  #dense;
  #fitting = MOST_CELLS; // of a dense grid: how many cells the last one had room for
  #cells = new Map(); // by the task's id: {task, element, sight, state: "", "wrong" or "alone"}
  #columns = 1;
  #sweep = null; // the state that the mouse gives to what it comes over
  #last = { element: null, at: -Infinity };
  #shownAt = -Infinity;
  #observer = watchSight(
    (option) => this.#of(option)?.sight,
    () => this.onchange(),
  );

  /** `kind`: how items are drawn, with its name. */
  constructor(kind, name) {
    this.#kind = kind;
    this.#sizes = SIZES[name];
    this.#dense = DENSE.has(name);
    this.#place.addEventListener("pointerdown", (event) => this.#press(event));
    this.#place.addEventListener("pointerover", (event) => this.#over(event));
    this.#place.addEventListener("click", (event) => this.#click(event));
    this.#place.addEventListener("focusin", (event) => this.#rove(event.target.closest("[role=option]")));
    for (const type of ["pointerup", "pointercancel"]) addEventListener(type, () => (this.#sweep = null));
    addEventListener("resize", () => this.#lay());
  }

  /** How many cells the window has room for, and those of a dense grid at most. */
  get most() {
    return this.#dense ? MOST_CELLS : this.#roomy;
  }

  /** How many cells the next grid is likely to have. */
  get capacity() {
    return this.#dense ? this.#fitting : this.#roomy;
  }

  get #roomy() {
    const { columns, rows } = this.#fit();
    return Math.max(LEAST_CELLS, Math.min(columns * rows, MOST_CELLS));
  }

  get tasks() {
    return [...this.#cells.values()].map((cell) => cell.task);
  }

  get size() {
    return this.#cells.size;
  }

  /** The tasks that bear this mark. */
  marked(state) {
    return this.#tasks((cell) => cell.state === state);
  }

  /** The tasks without a mark that a person can have seen at this time. */
  seen(at) {
    return this.#tasks((cell) => !cell.state && cell.sight.seen(at));
  }

  /** The tasks without a mark that are out of view, and were never in it. */
  get missed() {
    return this.#tasks((cell) => !cell.state && cell.sight.missed);
  }

  #tasks(has) {
    return [...this.#cells.values()].filter(has).map((cell) => cell.task);
  }

  /** Whether all that is to be judged is there to be seen, or will not come. */
  get loaded() {
    return !this.#place.querySelector('[data-state="loading"]');
  }

  /** Set aside tasks that a person cannot have seen: a grid confirms only seen tasks. */
  setBrokenAside() {
    for (const cell of this.#cells.values()) {
      if (!cell.state && cell.element.querySelector('[data-state="failed"], .note')) this.#set(cell, "alone");
    }
  }

  /** Show these tasks, in states by their ids if some are given. `name`: what the cells are asked about; `all`: whether
   *  a dense grid keeps those that it has no room for. */
  show(tasks, loaded, { name, states = {}, all = false }) {
    this.#sweep = null;
    this.#shownAt = performance.now();
    const cell = (task) => ({
      task,
      element: this.#cell(task, loaded(task)),
      sight: new Sight(),
      state: states[task.id] ?? "",
    });
    this.#observer.disconnect();
    this.#cells = new Map(tasks.map((task) => [task.id, cell(task)]));
    this.#place.setAttribute("aria-label", gettext("Mark the items that are not: {name}", { name }));
    this.#place.replaceChildren(...[...this.#cells.values()].map((cell) => cell.element));
    this.#place.scrollTop = 0;
    this.#lay();
    if (this.#dense && !all) this.#keepFitting();
    for (const each of this.#cells.values()) this.#paint(each);
    this.#rove(this.#place.firstElementChild);
    for (const { element } of this.#cells.values()) this.#observer.observe(element);
    // Where nothing else has the focus: the keys act on a cell that can be seen, and that is read out.
    if (document.activeElement === document.body) this.#place.firstElementChild.focus({ preventScroll: true });
  }

  clear() {
    this.#observer.disconnect();
    this.#cells.clear();
    this.#place.replaceChildren();
  }

  /** Take out what is no longer ours. */
  drop(ids) {
    for (const id of ids) {
      this.#cells.get(id)?.element.remove();
      this.#cells.delete(id);
    }
    for (const cell of this.#cells.values()) this.#paint(cell);
    if (!this.#place.querySelector('[tabindex="0"]')) this.#rove(this.#place.firstElementChild);
  }

  /** Carry out what a key does within the grid. False if it does nothing here. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return false;
    const options = [...this.#place.children];
    const at = options.findIndex((option) => option.tabIndex === 0);
    const step = STEPS[forward(event.key)]?.(this.#columns);
    if (step) this.#focus(options[at + step]);
    else if (event.key === "Home") this.#focus(options[0]);
    else if (event.key === "End") this.#focus(options.at(-1));
    else if (event.key === " " && !event.repeat) this.#toggle(options[at], "wrong");
    else return event.key === " ";
    return true;
  }

  /** Set the cell with the focus aside, or back: its item is asked alone afterwards. */
  setAside() {
    this.#toggle(this.#place.querySelector('[tabindex="0"]'), "alone");
  }

  #focus(option) {
    if (!option) return;
    this.#rove(option);
    option.focus();
    option.scrollIntoView({ block: "nearest" });
  }

  #rove(option) {
    if (!option) return;
    for (const each of this.#place.children) each.tabIndex = each === option ? 0 : -1;
  }

  #press(event) {
    const option = event.target.closest("[role=option]");
    if (!option || event.pointerType !== "mouse" || event.button !== 0) return;
    event.preventDefault(); // no text is selected, no picture dragged
    this.#rove(option);
    const wrong = this.#of(option).state === "wrong";
    if (this.#toggle(option, "wrong")) this.#sweep = wrong ? "" : "wrong";
  }

  #over(event) {
    const option = event.target.closest("[role=option]");
    if (this.#sweep === null || !option || !(event.buttons & 1)) return;
    this.#set(this.#of(option), this.#sweep);
  }

  /** A finger, or what helps people who see little; the mouse has marked it already. */
  #click(event) {
    const option = event.target.closest("[role=option]");
    if (!option || (event.pointerType === "mouse" && event.detail > 0)) return;
    this.#rove(option);
    this.#toggle(option, "wrong");
  }

  /** Give the cell this state, or take it away. False if this was the echo of another gesture. */
  #toggle(option, state) {
    const now = performance.now();
    if (!option || now - this.#shownAt < GLANCE_MS) return false;
    if (option === this.#last.element && now - this.#last.at < DOUBLE_MS) return false;
    this.#last = { element: option, at: now };
    const cell = this.#of(option);
    this.#set(cell, cell.state === state ? "" : state);
    return true;
  }

  #set(cell, state) {
    if (cell.state === state) return;
    cell.state = state;
    this.#paint(cell);
    this.onchange();
  }

  #of(option) {
    return this.#cells.get(Number(option.dataset.task));
  }

  #cell(task, loaded) {
    const option = document.createElement("div");
    option.className = "cell";
    option.role = "option";
    option.tabIndex = -1;
    option.dataset.task = task.id;
    const { proposed, prediction } = task.item;
    option.append(this.#kind.cell(task, loaded));
    // Where a class is proposed, an answer may be suggested too.
    if (proposed !== undefined && prediction !== undefined) {
      const caption = document.createElement("span");
      caption.className = "caption";
      caption.textContent = predictionSentence(prediction);
      option.append(caption);
    }
    return option;
  }

  #paint({ task, element, state }) {
    const place = [...this.#cells.keys()].indexOf(task.id) + 1;
    const words = NAMES[state](place);
    const text = this.#kind.spoken?.(task) ?? "";
    element.setAttribute("aria-label", text ? `${words}: ${text}` : words);
    element.setAttribute("aria-selected", state === "wrong");
    element.dataset.mark = state;
  }

  /** As many columns as make the cells largest, or of a dense grid, as show the most cells. */
  #lay() {
    const { size } = this.#cells;
    if (!size) return;
    const { width, height, least, tall } = this.#room();
    this.#place.toggleAttribute("data-dense", this.#dense);
    if (this.#dense) {
      const inView = Array.from({ length: Math.max(1, Math.floor(width / least)) }, (_, n) => this.#inView(n + 1));
      const most = Math.max(...inView);
      if (most >= Math.min(size, this.#roomy)) {
        this.#inView((this.#columns = inView.indexOf(most) + 1));
        return;
      }
      this.#place.removeAttribute("data-dense"); // long texts: the cells scroll
    }
    const scale = (columns) => Math.min(width / columns / least, height / Math.ceil(size / columns) / tall);
    const most = Math.min(size, Math.max(2, Math.floor(width / least)));
    this.#columns = 1;
    for (let columns = 2; columns <= most; columns++) if (scale(columns) > scale(this.#columns)) this.#columns = columns;
    this.#place.style.setProperty("--columns", this.#columns);
  }

  /** Lay a dense grid in so many columns. Returns how many of its cells are in view. */
  #inView(columns) {
    this.#place.style.setProperty("--columns", columns);
    const { bottom } = this.#place.getBoundingClientRect();
    return [...this.#place.children].filter((cell) => cell.getBoundingClientRect().bottom <= bottom).length;
  }

  /** Leave those that have no room for the next grid. */
  #keepFitting() {
    const { size } = this.#cells;
    const room = this.#place.hasAttribute("data-dense") ? this.#inView(this.#columns) : this.#roomy;
    const kept = Math.max(Math.min(LEAST_CELLS, size), Math.min(room, size));
    this.#fitting = kept < size ? kept : MOST_CELLS;
    for (const id of [...this.#cells.keys()].slice(kept)) {
      this.#cells.get(id).element.remove();
      this.#cells.delete(id);
    }
    if (kept < size) this.#lay();
  }

  #room() {
    const { clientWidth: width, clientHeight: height } = this.#place.parentElement;
    const [least, tall] = this.#sizes[width < NARROW_PX ? "narrow" : "wide"];
    return { width, height, least, tall };
  }

  /** How many of the smallest cells have room side by side, and one below the other. */
  #fit() {
    const { width, height, least, tall } = this.#room();
    const across = (size, room) => Math.max(1, Math.floor((room - GAP_PX) / (size + GAP_PX)));
    // Larger cells where the smallest would be more than anybody looks over.
    for (let scale = 1; ; scale += 0.1) {
      const [columns, rows] = [across(least * scale, width), across(tall * scale, height)];
      if (columns * rows <= MOST_CELLS) return { columns, rows };
    }
  }
}
