// How far the batch is, in the page's head.

import { gettext, number } from "../words.js";

const REFRESH_MS = 10_000;

export class BatchProgress {
  #api;
  #outbox;
  #known = null;
  #asked = null;
  #text = document.querySelector("#batch-text");
  #bar = document.querySelector("#batch-bar");

  constructor({ api, outbox }) {
    this.#api = api;
    this.#outbox = outbox;
    setInterval(() => !document.hidden && this.refresh(), REFRESH_MS);
  }

  /** Answers that the batch takes, as far as known: as many as it has items, where each is asked of one person. */
  get size() {
    return this.#known?.answers ?? 0;
  }

  /** How many of them are in, those on their way included. */
  get done() {
    if (!this.#known?.batch) return 0;
    const { answers, answered, state } = this.#known;
    return clamp(answered + (state === "open" ? this.#outbox.balance : 0), answers);
  }

  /** Ask the server where the loop is; resolves to its answer, or null if it cannot be had. */
  refresh() {
    this.#asked ??= this.#ask().finally(() => (this.#asked = null));
    return this.#asked;
  }

  async #ask() {
    const { sends, sending } = this.#outbox;
    const before = this.#known;
    let progress;
    try {
      progress = await this.#api.progress();
    } catch {
      return null; // the queue and the outbox report failures
    }
    // The server may or may not have counted an answer that was on its way: trust our own count.
    const unsure = sending || sends !== this.#outbox.sends;
    const same = before?.batch === progress.batch && before.state === progress.state;
    this.#known = unsure && same ? { ...progress, answered: before.answered } : progress;
    this.show();
    return this.#known;
  }

  /** Set the batch's number from a claim. */
  claimed(batch) {
    if (this.#known?.batch !== batch || this.#known.state !== "open") this.refresh();
  }

  /** The server has taken one of our answers or undos. */
  taken(entry) {
    if (!this.#known) return;
    const { answers, answered } = this.#known;
    this.#known.answered = clamp(answered + (entry.type === "undo" ? -1 : 1), answers);
  }

  show() {
    if (!this.#known?.batch) return;
    const { batch, size, answers } = this.#known;
    const values = { batch, done: number(this.done), all: number(answers) };
    if (!size) this.#text.textContent = gettext("Batch {batch}", values);
    else if (answers === size) this.#text.textContent = gettext("Batch {batch} · {done} of {all}", values);
    else this.#text.textContent = gettext("Batch {batch} · {done} of {all} answers", values);
    this.#bar.max = answers || 1;
    this.#bar.value = this.done;
  }
}

function clamp(value, most) {
  return Math.max(0, Math.min(value, most));
}
