// Notices at once when a server that could not be reached can be reached again.

// Often in the first moments, when a server has just been restarted; then less, for many pages may be asking.
const SOON_MS = 400;
const LATER_MS = 2_000;
const SOON_FOR_MS = 20_000;
// Lost again within this time, it is the same trouble still: one address may fail while others answer.
const SAME_MS = 5_000;

export class Connection {
  #probe;
  #onback;
  #lost = false;
  #since = -Infinity;
  #back = -Infinity;
  #timer = null;

  /** `probe` makes a small call through `api`; `onback` is called when any call has got through again. */
  constructor({ api, probe, onback }) {
    this.#probe = probe;
    this.#onback = onback;
    api.ondown = () => this.#down();
    api.onreached = () => this.#reached();
    addEventListener("online", () => this.#ask());
  }

  #down() {
    this.#lost = true;
    if (Date.now() - this.#back > SAME_MS) this.#since = Date.now();
    this.#plan();
  }

  #reached() {
    this.#lost = false;
    this.#back = Date.now();
    clearTimeout(this.#timer);
    this.#onback();
  }

  #plan() {
    const pause = Date.now() - this.#since < SOON_FOR_MS ? SOON_MS : LATER_MS;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), pause * (0.8 + 0.4 * Math.random()));
  }

  async #ask() {
    if (!this.#lost) return;
    clearTimeout(this.#timer);
    if (!document.hidden) await this.#probe().catch(() => {});
    if (this.#lost) this.#plan();
  }
}
