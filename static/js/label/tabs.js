// One tab at a time labels a project: the one that was opened, or taken up, last.
//
// The server gives all tabs of a person the same tasks; two that work at once would answer each other's items.

export class Tabs {
  /** Called when another tab has taken over. */
  onyield = () => {};

  #channel;
  #mine = null;

  constructor(key) {
    this.#channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(`${key}:tabs`) : null;
    this.#channel?.addEventListener("message", (event) => this.#hear(event.data));
  }

  /** Take over from all other tabs. */
  takeOver() {
    this.#mine = { at: Date.now(), who: crypto.getRandomValues(new Uint32Array(1))[0] };
    this.#channel?.postMessage(this.#mine);
  }

  #hear(theirs) {
    if (!this.#mine) return;
    // Of two that spoke at once, the later one wins; notify the other one.
    const later = theirs.at - this.#mine.at || theirs.who - this.#mine.who;
    if (later > 0) {
      this.#mine = null;
      this.onyield();
    } else {
      this.#channel.postMessage(this.#mine);
    }
  }
}
