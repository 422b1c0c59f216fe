// What the tasks ahead show, loaded before it is needed.

export class Preloader {
  #kind;
  #loaded = new Map();

  constructor(kind) {
    this.#kind = kind;
  }

  /** Start loading what these tasks show, and forget all else. */
  keep(tasks) {
    const wanted = new Set(tasks.map((task) => task.id));
    for (const id of this.#loaded.keys()) if (!wanted.has(id)) this.#loaded.delete(id);
    for (const task of tasks) this.loaded(task);
  }

  /** What a task shows, as its kind has it; the same whenever it is asked for. Null if there is nothing to load. */
  loaded(task) {
    if (!this.#loaded.has(task.id)) {
      const one = this.#kind.load(task, () => this.#loaded.get(task.id) === one);
      this.#loaded.set(task.id, one);
    }
    return this.#loaded.get(task.id);
  }
}
