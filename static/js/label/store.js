// What must survive a reload: an ordered log in the browser's storage, one key an entry.
//
// One key each, so that two tabs never overwrite each other's entries. Where the browser keeps nothing (private
// windows, a full disk), the log lives in memory and `durable` turns false.

const SEQUENCE_DIGITS = 16;

export class Store {
  #prefix;
  #last = 0;
  #memory = new Map();
  durable = true;

  constructor(prefix) {
    this.#prefix = `${prefix}:`;
  }

  /** Entries `[key, value]`, oldest first. */
  list() {
    const entries = [...this.#memory];
    try {
      for (let i = 0; i < localStorage.length; i++) {
        const key = localStorage.key(i);
        if (!key.startsWith(this.#prefix)) continue;
        const value = parse(localStorage.getItem(key));
        if (value) entries.push([key, value]);
      }
    } catch {
      this.durable = false;
    }
    return entries.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  add(value) {
    // Later entries get later keys, whatever the clock does.
    this.#last = Math.max(Date.now() * 1000, this.#last + 1);
    const key = this.#prefix + String(this.#last).padStart(SEQUENCE_DIGITS, "0");
    try {
      localStorage.setItem(key, JSON.stringify(value));
      this.durable = true;
    } catch {
      this.#memory.set(key, value);
      this.durable = false;
    }
  }

  /** Remove the entry. False if it is gone already: another tab has dealt with it. */
  remove(key) {
    if (this.#memory.delete(key)) return true;
    try {
      const there = localStorage.getItem(key) !== null;
      localStorage.removeItem(key);
      return there;
    } catch {
      return false;
    }
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
