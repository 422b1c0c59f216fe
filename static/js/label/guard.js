// Tells a decision about the item in sight from what was left of the last one: the second half of a double click, a key
// that was hit twice, a press that was under way when the item came.
//
// Times are those of the gestures themselves, not of their handling: a browser that stutters makes no answer too quick.

// A person needs at least this long to see a new item, decide and move a finger. Two clicks on one spot, or two presses of
// Enter, that are closer together are one double click.
const DECIDE_MS = 300;
// Two presses of one key that are closer together are one press. Who types six answers a second leaves 160 ms.
const BOUNCE_MS = 150;
// After an answer the next item is expected; even so, a person cannot have seen it before this time.
const GLANCE_MS = 90;
const SPOT_PX = 24;

export class Guard {
  #gesture = { what: "", at: -Infinity, x: 0, y: 0 };
  #before = this.#gesture;
  #openAt = -Infinity;

  constructor() {
    for (const type of ["keydown", "pointerup", "click"]) {
      addEventListener(type, (event) => this.#note(gestureOf(event)), { capture: true, passive: true });
    }
  }

  #note(gesture) {
    this.#gesture = gesture;
    // With something else in between, the same once more is a new decision: Enter, Space, Enter skips two items.
    if (this.#before && !same(gesture, this.#before)) this.#before = null;
  }

  /** The time of the present gesture. */
  get at() {
    return this.#gesture.at;
  }

  /** Another item is in sight, by itself, or many that take longer to be seen. */
  appeared(ms = DECIDE_MS) {
    this.#openAt = performance.now() + ms;
    this.#before = null;
  }

  /** It came because the last one was answered by the present gesture. */
  answered() {
    this.#before = this.#gesture;
    this.#openAt = this.#gesture.at + GLANCE_MS;
  }

  /** It was seen before. */
  known() {
    this.#openAt = -Infinity;
    this.#before = null;
  }

  /** Whether the present gesture can be meant for the item in sight. */
  admits() {
    const { at } = this.#gesture;
    if (at < this.#openAt) return false;
    return !this.#before || at - this.#before.at >= apart(this.#gesture);
  }
}

/** A key by its name, all that is done by pointer by its place. A button that a key presses is the key once more. */
function gestureOf(event) {
  const { type, key, target, detail, timeStamp: at, clientX: x, clientY: y } = event;
  if (type === "keydown") return { what: key === " " && target instanceof HTMLButtonElement ? "Enter" : key, at, x: 0, y: 0 };
  if (type === "click" && detail === 0) return { what: "Enter", at, x: 0, y: 0 };
  return { what: "pointer", at, x, y };
}

/** The same key, or the same spot. */
function same(one, other) {
  return one.what === other.what && Math.abs(one.x - other.x) < SPOT_PX && Math.abs(one.y - other.y) < SPOT_PX;
}

function apart({ what }) {
  return what === "pointer" || what === "Enter" ? DECIDE_MS : BOUNCE_MS;
}
