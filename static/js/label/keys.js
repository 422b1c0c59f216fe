// Which command a key stands for. A pure function: the event and a few facts in, a command or null out.

const MOVE = { ArrowDown: 1, ArrowUp: -1 };
const SCROLL = { ArrowDown: 0.2, ArrowUp: -0.2, PageDown: 0.8, PageUp: -0.8 };

/**
 * @param {KeyboardEvent} event
 * @param {{picker: string, question: string, kindKeys: object, waiting: boolean, typed: boolean, onButton: boolean}} state
 *   `kindKeys`: commands that only this kind of item has, by their letters;
 *   `typed`: something stands in the search field; `onButton`: the focus is on a button.
 * @returns {{name: string, digit?: string, by?: number} | null}
 */
export function commandOf(event, state) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  if (state.picker === "search" && MOVE[key]) return { name: "move", by: MOVE[key] };
  if (SCROLL[key]) return { name: "scroll", by: SCROLL[key] };
  // A key that is held down must not answer one item after the other.
  if (state.typed || event.repeat) return null;
  if (state.onButton && (key === "Enter" || key === " ")) return null;
  return always(event, state) ?? (state.waiting ? null : onItem(event, state));
}

function always({ key, shiftKey }, { picker }) {
  if (key === "Backspace") return { name: "undo" };
  if (key === "?") return { name: "keys" };
  // Where letters search, the shortcuts that are letters need the shift key.
  if (key.toLowerCase() === "g" && (picker !== "search" || shiftKey)) return { name: "guide" };
  return null;
}

function onItem({ key, shiftKey }, { picker, question, kindKeys }) {
  if (key === " ") return { name: "skip" };
  if (key.toLowerCase() === "f" && (picker !== "search" || shiftKey)) return { name: "flag" };
  const own = kindKeys[key.toLowerCase()];
  if (own && (picker !== "search" || shiftKey)) return { name: own };
  if (picker === "verify") return verify(key);
  if (/^[0-9]$/.test(key)) return { name: "digit", digit: key };
  if (key === "Enter" && question === "multi") return { name: "send" };
  if (picker === "search" && key.length === 1) return { name: "search" };
  return null;
}

function verify(key) {
  if (["y", "Y", "1", "ArrowRight"].includes(key)) return { name: "yes" };
  if (["n", "N", "2", "ArrowLeft"].includes(key)) return { name: "no" };
  return null;
}
