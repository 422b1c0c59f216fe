// How far the batch is, in the page's head.

const REFRESH_MS = 10_000;

export class BatchProgress {
  #api;
  #outbox;
  #overlap;
  #known = null;
  #asked = null;
  #text = document.querySelector("#batch-text");
  #bar = document.querySelector("#batch-bar");

  constructor({ api, outbox, overlap }) {
    this.#api = api;
    this.#outbox = outbox;
    this.#overlap = overlap;
    setInterval(() => !document.hidden && this.refresh(), REFRESH_MS);
  }

  /** Tasks in the batch, as far as known. */
  get size() {
    return this.#known?.size ?? 0;
  }

  /** Ask the server where the loop is; resolves to its answer, or null if it cannot be had. */
  refresh() {
    this.#asked ??= this.#ask().finally(() => (this.#asked = null));
    return this.#asked;
  }

  async #ask() {
    const { sends, sending } = this.#outbox;
    const before = this.#known;
    let found;
    try {
      found = await this.#api.progress();
    } catch {
      return null; // the queue and the outbox tell of troubles
    }
    // Whether the server has counted an answer that was on its way meanwhile cannot be told: trust our own count.
    const unsure = sending || sends !== this.#outbox.sends;
    const same = before?.batch === found.batch && before.state === found.state;
    this.#known = unsure && same && this.#overlap === 1 ? { ...found, remaining: before.remaining } : found;
    this.show();
    return this.#known;
  }

  /** A claim has told the batch's number. */
  claimed(batch) {
    if (this.#known?.batch !== batch || this.#known.state !== "open") this.refresh();
  }

  /** The server has taken one of our answers or undos: with one answer a task, that is one task less or more. */
  taken(entry) {
    if (this.#overlap !== 1 || !this.#known) return;
    const { size, remaining } = this.#known;
    this.#known.remaining = clamp(remaining + (entry.type === "undo" ? 1 : -1), size);
  }

  /** Answers on their way count as given; where a task needs several, only the server knows what is done. */
  show() {
    if (!this.#known?.batch) return;
    const { batch, size, state, remaining } = this.#known;
    const onTheirWay = this.#overlap === 1 && state === "open" ? this.#outbox.balance : 0;
    const done = clamp(size - remaining + onTheirWay, size);
    this.#text.textContent = size ? `Batch ${batch} · ${done} of ${size}` : `Batch ${batch}`;
    this.#bar.max = size || 1;
    this.#bar.value = done;
  }
}

function clamp(value, most) {
  return Math.max(0, Math.min(value, most));
}
