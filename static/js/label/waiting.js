// When no item is left: say why, look again by itself, go on as soon as there is one.

import { gettext } from "../words.js";
import { trouble, waiting } from "./sentences.js";

const SOON_MS = 1_000;
const LATER_MS = 2_000;
// Steps of the loop that last seconds; the rest waits for people.
const QUICK = new Set(["training", "selecting"]);

export class Waiting {
  #queue;
  #outbox;
  #batch;
  #view;
  #signIn;
  #timer = null;
  #looking = false;
  #again = false;
  #on = false;

  /** `onready` is called when there is an item again. */
  constructor({ queue, outbox, batch, view, signIn, onready }) {
    this.#queue = queue;
    this.#outbox = outbox;
    this.#batch = batch;
    this.#view = view;
    this.#signIn = signIn;
    this.onready = onready;
    addEventListener("online", () => this.look());
    document.addEventListener("visibilitychange", () => !document.hidden && this.look());
  }

  start() {
    if (this.#on) return;
    this.#on = true;
    this.look();
  }

  stop() {
    this.#on = false;
    clearTimeout(this.#timer);
  }

  /** Look now, or again as soon as the look under way is over: what has just changed may have come too late for it. */
  async look() {
    this.#again = this.#looking;
    if (!this.#on || this.#looking) return;
    this.#looking = true;
    clearTimeout(this.#timer);
    const reason = await this.#find();
    this.#looking = false;
    if (!this.#on) return;
    if (this.#queue.current) {
      this.stop();
      this.onready();
      return;
    }
    const pause = this.#again ? 0 : QUICK.has(reason) ? SOON_MS : LATER_MS;
    this.#timer = setTimeout(() => this.look(), pause);
  }

  /** Ask for items; show and return why there are none. */
  async #find() {
    // What the server says is only true once it has our answers.
    await this.#outbox.flush();
    let reason = this.#queue.reason;
    const progress = await this.#batch.refresh();
    if (!QUICK.has(reason) || progress?.state !== reason) {
      await this.#queue.claim();
      reason = this.#queue.reason;
    }
    if (!this.#on || this.#queue.current) return reason;
    const kind = this.#queue.trouble || this.#outbox.trouble || (progress ? "" : "unreachable");
    if (kind) this.#showTrouble(kind);
    else this.#view.showPanel(waiting(reason, { ...progress, limit: this.#queue.limit }));
    return reason;
  }

  #showTrouble(kind) {
    const panel = trouble(kind, this.#outbox.unsent);
    this.#view.showPanel(panel.signIn ? { ...panel, button: gettext("Sign in"), onbutton: this.#signIn } : panel);
  }
}
