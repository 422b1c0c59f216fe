// What happens in grids: which items come together, what a confirmed grid answers, what Undo brings back.
//
// Cells that were not marked are answered with the class that they were shown for. Those marked wrong are a "no" where
// one class is to be verified; otherwise they are asked alone afterwards, as are those that were set aside. Cells that
// were not in view for as long as it takes to see them are not answered: they come again in the next grid.

import { gettext, isolated, listed, ngettext } from "../words.js";
import { Grid } from "./grid.js";
import { uuid } from "./ids.js";

// To look over a grid takes at least this, and more for each cell, up to the most: a key that is pressed sooner was
// not meant for it.
const LOOK_MS = 300;
const LOOK_CELL_MS = 60;
const LOOK_MOST_MS = 1_200;

/** What a task's cell is asked about; undefined for a task that shows nothing. */
const classOf = ({ item }) => item.proposed ?? (typeof item.prediction?.value === "string" ? item.prediction.value : undefined);

export class Grids {
  /** Called when the next item or grid is to be shown: with a sentence about the last act, and as `Labeler.show`. */
  onnext = () => {};

  #view;
  #preloader;
  #guard;
  #stopwatch;
  #queue;
  #outbox;
  #history;
  #guidelines;
  #pace;
  #grid;
  #mode;
  #proposes;
  #alone = new Set(); // tasks that are to be asked alone
  #said = document.querySelector("#grid-said");
  #confirm = document.querySelector("#grid-confirm");
  #aside = document.querySelector("#aside");
  #switch = document.querySelector("#mode");

  /** `proposes`: each item has one class that is to be verified; `key`: the beginning of the names in the storage. */
  constructor({ view, preloader, guard, stopwatch, queue, outbox, history, guidelines, pace, kind, kindName, proposes, key }) {
    this.#view = view;
    this.#preloader = preloader;
    this.#guard = guard;
    this.#stopwatch = stopwatch;
    this.#queue = queue;
    this.#outbox = outbox;
    this.#history = history;
    this.#guidelines = guidelines;
    this.#pace = pace;
    this.#proposes = proposes;
    this.#grid = new Grid(kind, kindName);
    this.#grid.onchange = () => this.#showMarks();
    this.#mode = `${key}:one-by-one`;
    this.#confirm.addEventListener("click", () => this.confirm());
    this.#aside.addEventListener("click", () => this.#grid.setAside());
    this.#switch.addEventListener("click", () => this.toggleMode());
    this.#showMode();
  }

  /** Whether the person wants grids. */
  get on() {
    try {
      return localStorage.getItem(this.#mode) === null;
    } catch {
      return true;
    }
  }

  get shown() {
    return this.#view.showsGrid;
  }

  /** Show the items of the next grid. False if the next item is to be asked alone. */
  show(said, back = null, states = {}) {
    let tasks = back ?? this.#next();
    if (tasks.length < 2) {
      this.#grid.clear();
      return false;
    }
    const name = classOf(tasks[0]);
    this.#view.showGrid(name, tasks[0].id);
    this.#grid.show(tasks, (task) => this.#preloader.loaded(task), { name: isolated(name), states, all: back !== null });
    tasks = this.#grid.tasks;
    this.#guard.appeared(Math.min(LOOK_MS + LOOK_CELL_MS * tasks.length, LOOK_MOST_MS));
    this.#stopwatch.start();
    this.#showMarks();
    const what = ngettext(
      "{n} item: {name}? Mark the wrong ones, Enter confirms.",
      "{n} items: {name}? Mark the wrong ones, Enter confirms.",
      tasks.length,
      { name: isolated(name) },
    );
    this.#view.announce([said, what].filter(Boolean).join(" "));
    return true;
  }

  /** The marks of the cells, by the ids of their tasks. */
  get marks() {
    return Object.fromEntries(["wrong", "alone"].flatMap((mark) => this.#grid.marked(mark).map((task) => [task.id, mark])));
  }

  /** The first task, and those in the queue that are about the same class. */
  #next() {
    const queue = this.#queue;
    if (!this.on || !queue.current || this.#alone.has(queue.current.id)) return [];
    const name = classOf(queue.current);
    if (name === undefined) return [];
    const alike = queue.tasks.filter((task) => classOf(task) === name && !this.#alone.has(task.id));
    return alike.slice(0, this.#grid.most);
  }

  /** How many tasks are held in grids: the grid on the screen, and the next one. 0 for no grids. */
  get held() {
    return this.on ? 2 * this.#grid.capacity : 0;
  }

  /** Answer all cells at once. */
  confirm() {
    if (!this.shown || !this.#guard.admits()) return;
    if (!this.#grid.loaded) {
      this.#view.tell(gettext("Some items have not arrived yet."));
      this.#view.announce(gettext("Some items have not arrived yet."));
      return;
    }
    this.#grid.setBrokenAside();
    const tasks = this.#grid.tasks;
    const wrong = this.#grid.marked("wrong");
    const aside = this.#grid.marked("alone");
    const right = this.#grid.seen(this.#guard.at);
    const judged = right.length + wrong.length + aside.length;
    const seconds = Math.round((this.#stopwatch.seconds() / judged) * 1000) / 1000;
    const values = new Map(right.map((task) => [task, this.#proposes ? true : classOf(task)]));
    if (this.#proposes) for (const task of wrong) values.set(task, false);
    const answers = [...values].map(([task, value]) => ({
      id: uuid(),
      task: task.id,
      value,
      seconds,
      guidelines_version: this.#guidelines.version,
      class_revision: task.classRevision,
    }));
    const alone = tasks.filter((task) => aside.includes(task) || (!this.#proposes && wrong.includes(task)));
    for (const task of alone) this.#alone.add(task.id);
    const said = sentence({ right: right.length, wrong: wrong.length, missed: tasks.length - judged });
    this.#queue.answeredAll([...values.keys()], alone);
    this.#outbox.answerAll(answers);
    const grid = { tasks, answers, states: this.marks };
    const batch = Math.min(...tasks.map((task) => task.batch));
    if (answers.length) this.#history.add({ id: uuid(), task: tasks[0], batch, said, grid });
    this.#pace.answered(answers.length);
    this.#view.tell(said);
    this.onnext(`${said}.`);
    if (!this.shown) this.#guard.answered();
  }

  /** Take back a grid: all its cells come back, marked as they were. */
  undo({ id, said, grid: { tasks, answers, states } }) {
    this.#history.remove(id);
    const answered = new Set(answers.map((answer) => answer.task));
    const waiting = new Set(this.#queue.tasks.map((task) => task.id));
    const back = tasks.filter((task) => answered.has(task.id) || waiting.has(task.id));
    this.#outbox.undoAll(answers);
    for (const task of back) this.#alone.delete(task.id);
    this.#queue.putBack(back);
    this.#pace.undone(answers.length);
    const words = gettext("Undone: {answer}", { answer: said });
    this.#view.tell(words);
    this.onnext(`${words}.`, { grid: back, states });
  }

  /** Whether the task has a cell on the screen. */
  holds(task) {
    return this.shown && this.#grid.tasks.some((each) => each.id === task.id);
  }

  /** These tasks went to other people. Returns how many cells are left. */
  lost(ids) {
    this.#grid.drop(ids);
    this.#showMarks();
    return this.#grid.size;
  }

  /** Go over to one item at a time, or back to grids. */
  toggleMode() {
    try {
      if (this.on) localStorage.setItem(this.#mode, "1");
      else localStorage.removeItem(this.#mode);
    } catch {
      this.#view.tell(gettext("This browser does not save settings."));
      return;
    }
    this.#alone.clear();
    this.#showMode();
    if (this.#queue.current) this.onnext();
  }

  /** Carry out what a key does while a grid is on the screen. False if it does nothing here. */
  key(event) {
    const onButton = event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement;
    if (onButton && (event.key === " " || event.key === "Enter")) return false;
    if (this.#grid.key(event)) return true;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return false;
    if (event.key === "Enter") this.confirm();
    else if (event.key.toLowerCase() === "a") this.#grid.setAside();
    else return false;
    return true;
  }

  #showMode() {
    document.querySelector("#content").dataset.grids = this.on ? "on" : "off";
    document.querySelector("#mode-text").textContent = this.on ? gettext("One by one") : gettext("Grid");
  }

  #showMarks() {
    const wrong = this.#grid.marked("wrong").length;
    const aside = this.#grid.marked("alone").length;
    const missed = this.#grid.missed.length;
    const right = this.#grid.size - wrong - aside - missed;
    const words = gettext("Confirm {figures}", { figures: sentence({ right, wrong, aside, missed }) });
    if (words !== this.#said.textContent) this.#said.textContent = words;
  }
}

function sentence({ right, wrong, aside = 0, missed }) {
  const rest = [
    wrong && ngettext("{n} wrong", "{n} wrong", wrong),
    aside && ngettext("{n} set aside", "{n} set aside", aside),
    missed && ngettext("{n} not seen", "{n} not seen", missed),
  ];
  return listed([ngettext("{n} right", "{n} right", right), ...rest.filter(Boolean)]);
}
