// What the tasks ahead show, loaded before it is needed.

export class Preloader {
  #kind;
  #loaded = new Map();
  #copies = new Map();
  #many = false;

  constructor(kind) {
    this.#kind = kind;
  }

  /** Start loading what these tasks show, and forget all else. `alone`: one at a time, and so with their near-copies. */
  keep(tasks, alone) {
    const wanted = new Set(tasks.map((task) => task.id));
    for (const loaded of [this.#loaded, this.#copies]) {
      for (const id of loaded.keys()) if (!wanted.has(id)) loaded.delete(id);
    }
    this.#many = !alone;
    for (const task of tasks) this.loaded(task);
    if (alone) for (const task of tasks) if (task.item.copies?.length) this.copies(task);
  }

  /** What a task shows, as its kind has it; the same whenever it is asked for. Null if there is nothing to load. */
  loaded(task) {
    if (!this.#loaded.has(task.id)) {
      const one = this.#kind.load(task, () => this.#loaded.get(task.id) === one, { many: this.#many });
      this.#loaded.set(task.id, one);
    }
    return this.#loaded.get(task.id);
  }

  /** What the near-copies of a task's item show, in their order; likewise. */
  copies(task) {
    if (!this.#copies.has(task.id)) {
      const wanted = () => this.#copies.get(task.id) === all;
      const all = task.item.copies.map((item) => this.#kind.load({ item }, wanted, { small: true }));
      this.#copies.set(task.id, all);
    }
    return this.#copies.get(task.id);
  }
}
