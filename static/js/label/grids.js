// What happens in grids: which items come together, what a confirmed grid answers, what Undo brings back.
//
// Cells that were not marked are answered with the class that they were shown for. Those marked wrong are a "no" where
// one class is to be verified; otherwise they are asked alone afterwards, as are those that were set aside.

import { Grid } from "./grid.js";
import { uuid } from "./ids.js";
import { count, isolated } from "./sentences.js";

// To look over a grid takes at least this, and more for each cell, up to the most: a key that is pressed sooner was
// not meant for it.
const LOOK_MS = 300;
const LOOK_CELL_MS = 60;
const LOOK_MOST_MS = 1_200;

/** What a task's cell is asked about; undefined for a task that shows nothing. */
const classOf = ({ item }) => item.proposed ?? (typeof item.prediction?.value === "string" ? item.prediction.value : undefined);

export class Grids {
  #parts;
  #grid;
  #mode;
  #verify;
  #alone = new Set(); // tasks that are to be asked alone
  #said = document.querySelector("#grid-said");
  #confirm = document.querySelector("#grid-confirm");
  #aside = document.querySelector("#aside");
  #switch = document.querySelector("#mode");

  /** `parts`: as the labeler's, with `kind`, `kindName`, `verify` (one class is to be verified) and `key` for storage. */
  constructor(parts) {
    this.#parts = parts;
    this.#verify = parts.verify;
    this.#grid = new Grid(parts.kind, parts.kindName);
    this.#grid.onmark = () => this.#showMarks();
    this.#mode = `${parts.key}:one-by-one`;
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
    return this.#parts.view.showsGrid;
  }

  /** Show the items of the next grid. False if the next item is to be asked alone. */
  show(said, tasks = this.#next(), states = {}) {
    const { view, preloader, guard, stopwatch } = this.#parts;
    if (tasks.length < 2) {
      this.#grid.clear();
      return false;
    }
    const name = classOf(tasks[0]);
    view.showGrid(name, tasks[0].id);
    this.#grid.show(tasks, (task) => preloader.loaded(task), { name: isolated(name), states });
    guard.appeared(Math.min(LOOK_MS + LOOK_CELL_MS * tasks.length, LOOK_MOST_MS));
    stopwatch.start();
    this.#showMarks();
    view.announce([said, `${count(tasks.length, "item")}: ${isolated(name)}? Mark the wrong ones, Enter confirms.`].filter(Boolean).join(" "));
    return true;
  }

  /** The first task, and those in the queue that are about the same class. */
  #next() {
    const { queue } = this.#parts;
    if (!this.on || !queue.current || this.#alone.has(queue.current.id)) return [];
    const name = classOf(queue.current);
    if (name === undefined) return [];
    const alike = queue.tasks.filter((task) => classOf(task) === name && !this.#alone.has(task.id));
    return alike.slice(0, this.#grid.capacity);
  }

  /** How many tasks are held in grids: the grid on the screen, and the next one. 0 for no grids. */
  get held() {
    return this.on ? 2 * this.#grid.capacity : 0;
  }

  /** Answer all cells at once. */
  confirm() {
    const { view, guard, queue, outbox, stopwatch, history, guidelines, pace, labeler } = this.#parts;
    if (!this.shown || !guard.admits()) return;
    if (!this.#grid.loaded) {
      view.tell("Some items have not arrived yet.");
      view.announce("Some items have not arrived yet.");
      return;
    }
    this.#grid.setBrokenAside();
    const wrong = this.#grid.in("wrong");
    const right = this.#grid.in("");
    const seconds = Math.round((stopwatch.seconds() / this.#grid.size) * 1000) / 1000;
    const values = new Map(right.map((task) => [task, this.#verify ? true : classOf(task)]));
    if (this.#verify) for (const task of wrong) values.set(task, false);
    const answers = [...values].map(([task, value]) => ({
      id: uuid(),
      task: task.id,
      value,
      seconds,
      guidelines_version: guidelines.version,
      class_revision: task.classRevision,
    }));
    const tasks = this.#grid.tasks;
    const alone = tasks.filter((task) => !values.has(task));
    for (const task of alone) this.#alone.add(task.id);
    const said = this.#sentence(right.length, wrong.length);
    queue.answeredAll([...values.keys()], alone);
    outbox.answerAll(answers);
    const states = Object.fromEntries([...wrong.map((task) => [task.id, "wrong"]), ...this.#grid.in("alone").map((task) => [task.id, "alone"])]);
    const batch = Math.min(...tasks.map((task) => task.batch));
    if (answers.length) history.add({ id: uuid(), task: tasks[0], batch, said, grid: { tasks, answers, states } });
    pace.answered(answers.length);
    view.tell(said);
    labeler.show(`${said}.`);
    if (!this.shown) guard.answered();
  }

  /** Take back a grid: all its cells come back, marked as they were. */
  undo({ id, said, grid: { tasks, answers, states } }) {
    const { queue, outbox, history, view, pace, labeler } = this.#parts;
    history.remove(id);
    const answered = new Set(answers.map((answer) => answer.task));
    const waiting = new Set(queue.tasks.map((task) => task.id));
    const back = tasks.filter((task) => answered.has(task.id) || waiting.has(task.id));
    outbox.undoAll(answers);
    for (const task of back) this.#alone.delete(task.id);
    queue.putBack(back);
    pace.undone(answers.length);
    view.tell(`Undone: ${said}`);
    labeler.show(`Undone: ${said}.`, { grid: back, states });
  }

  /** Whether the task has a cell on the screen. */
  holds(task) {
    return this.shown && this.#grid.tasks.some((each) => each.id === task.id);
  }

  /** These tasks went to somebody else. Returns how many cells are left. */
  lost(ids) {
    this.#grid.drop(ids);
    this.#showMarks();
    return this.#grid.size;
  }

  /** Go over to one item at a time, or back to grids. */
  toggleMode() {
    const { queue, labeler, view } = this.#parts;
    try {
      if (this.on) localStorage.setItem(this.#mode, "1");
      else localStorage.removeItem(this.#mode);
    } catch {
      view.tell("This browser keeps no settings.");
      return;
    }
    this.#alone.clear();
    this.#showMode();
    if (queue.current) labeler.show();
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
    document.querySelector("#mode-text").textContent = this.on ? "One by one" : "Grid";
  }

  #showMarks() {
    const wrong = this.#grid.in("wrong").length;
    const aside = this.#grid.in("alone").length;
    const right = this.#grid.size - wrong - aside;
    this.#said.textContent = `Confirm ${[this.#sentence(right, wrong), aside && `${aside} set aside`].filter(Boolean).join(", ")}`;
  }

  #sentence(right, wrong) {
    return wrong ? `${right} right, ${wrong} wrong` : `${right} right`;
  }
}
