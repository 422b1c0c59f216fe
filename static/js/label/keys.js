// Which command a key stands for. A pure function: the event and a few facts in, a command or null out.

const MOVE = { ArrowDown: 1, ArrowUp: -1 };
const COPIES = { s: "copies", x: "allCopies" };
const ENDS = { Home: -1e6, End: 1e6 };
const SCROLL = { ...ENDS, ArrowDown: 0.2, ArrowUp: -0.2, PageDown: 0.8, PageUp: -0.8 };

/**
 * @param {KeyboardEvent} event
 * @param {{picker: object, copies: boolean, several: boolean, kindKeys: object, waiting: boolean, typed: boolean,
 *   onButton: boolean}} state
 *   `copies`: items may have near-copies beside them;
 *   `kindKeys`: commands that only this kind of item has, by their letters;
 *   `typed`: something stands in the search field; `onButton`: the focus is on a button.
 * @returns {{name: string, key?: string, by?: number} | null}
 */
export function commandOf(event, state) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  if (state.picker.searches && MOVE[key]) return { name: "move", by: MOVE[key] };
  // In what is typed they move the caret.
  if (ENDS[key] && state.typed) return null;
  if (SCROLL[key]) return { name: "scroll", by: SCROLL[key] };
  // A key that is held down must not answer one item after the other.
  if (state.typed || event.repeat) return null;
  if (state.onButton && (key === "Enter" || key === " ")) return null;
  return always(event, state) ?? (state.waiting ? null : onItem(event, state));
}

function always({ key, shiftKey }, { picker }) {
  if (key === "Backspace") return { name: "undo" };
  if (key === "Escape") return { name: "dismiss" };
  if (key === "?") return { name: "keys" };
  // Where letters search, the shortcuts that are letters need the shift key.
  if (key.toLowerCase() === "g" && (!picker.searches || shiftKey)) return { name: "guide" };
  return null;
}

function onItem({ key, shiftKey }, { picker, copies, several, kindKeys }) {
  if (key === " ") return { name: "skip" };
  if (key.toLowerCase() === "f" && (!picker.searches || shiftKey)) return { name: "flag" };
  if (key.toLowerCase() === "c" && (!picker.searches || shiftKey)) return { name: "comment" };
  const onCopies = copies && COPIES[key.toLowerCase()];
  if (onCopies && (!picker.searches || shiftKey)) return { name: onCopies };
  const own = kindKeys[key.toLowerCase()];
  if (own && (!picker.searches || shiftKey || !/[a-z]/i.test(key))) return { name: own };
  if (key === "T" && picker.searches) return { name: "browse" };
  if (picker.takes(key)) return { name: "press", key };
  if (key === "Enter" && picker.accepts) return { name: "accept" };
  if (key === "Enter" && several) return { name: "send" };
  if (picker.searches && key.length === 1) return { name: "search" };
  return null;
}
