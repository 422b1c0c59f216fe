// Which classes this browser's user chooses, recent choices weighing more: kept from one visit to the next.

const GROWTH = 1.02; // a choice weighs half as much after 35 others
const MOST = 200;

export class Uses {
  #key;
  #weights = new Map();
  #step = 1;

  constructor(key) {
    this.#key = key;
    try {
      this.#weights = new Map(JSON.parse(localStorage.getItem(key)) ?? []);
    } catch {
      // Nothing is kept in this browser, or something else is: all classes are equal.
    }
    this.#step = Math.max(1, ...this.#weights.values()) * GROWTH;
  }

  weight(name) {
    return this.#weights.get(name) ?? 0;
  }

  add(name) {
    this.#weights.set(name, this.weight(name) + this.#step);
    this.#step *= GROWTH;
    const most = [...this.#weights].sort(([, a], [, b]) => b - a).slice(0, MOST);
    const largest = most[0][1];
    this.#weights = new Map(most.map(([each, weight]) => [each, weight / largest]));
    this.#step /= largest;
    try {
      localStorage.setItem(this.#key, JSON.stringify([...this.#weights]));
    } catch {
      // It is kept for this visit alone.
    }
  }
}
