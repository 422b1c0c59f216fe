// Which command a key stands for. A pure function: the event and a few facts in, a command or null out.

const MOVE = { ArrowDown: 1, ArrowUp: -1 };
const PAN = { ArrowLeft: { x: -1, y: 0 }, ArrowRight: { x: 1, y: 0 }, ArrowUp: { x: 0, y: -1 }, ArrowDown: { x: 0, y: 1 } };
const COPIES = { s: "copies", x: "allCopies" };
const ENDS = { Home: -1e6, End: 1e6 };
const SCROLL = { ...ENDS, ArrowDown: 0.2, ArrowUp: -0.2, PageDown: 0.8, PageUp: -0.8 };

/**
 * @param {KeyboardEvent} event
 * @param {{picker: object, copies: boolean, several: boolean, kindKeys: object, kindSigns: object, zoomed: boolean, waiting: boolean, typed: boolean,
 *   onButton: boolean}} state
 *   `copies`: items may have near-copies beside them;
 *   `kindKeys`: commands that only this kind of item has, by their letters; `kindSigns`: by other keys;
 *   `zoomed`: arrows move what is shown, with Shift where they answer or choose;
 *   `typed`: something stands in the search field; `onButton`: the focus is on a button.
 * @returns {{name: string, key?: string, by?: number} | null}
 */
export function commandOf(event, state) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  const look = lookCloser(event, state);
  if (look) return look;
  if (state.picker.searches && MOVE[key]) return { name: "move", by: MOVE[key] };
  // In what is typed they move the caret.
  if (ENDS[key] && state.typed) return null;
  if (SCROLL[key]) return { name: "scroll", by: SCROLL[key] };
  // A key that is held down must not answer one item after the other.
  if (state.typed || event.repeat) return null;
  if (state.onButton && (key === "Enter" || key === " ")) return null;
  return always(event, state) ?? (state.waiting ? null : onItem(event, state));
}

/** What may be repeated by holding the key down: it answers nothing. */
function lookCloser({ key, shiftKey }, { picker, kindSigns, zoomed, waiting, typed }) {
  if (waiting) return null;
  const free = !picker.takes(key) && !(picker.searches && MOVE[key]);
  if (zoomed && PAN[key] && (shiftKey || free)) return { name: "pan", ...PAN[key] };
  return kindSigns?.[key] && !typed ? { name: kindSigns[key] } : null;
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
  if (own && (!picker.searches || shiftKey)) return { name: own };
  if (key === "T" && picker.searches) return { name: "browse" };
  if (picker.takes(key)) return { name: "press", key };
  if (key === "Enter" && picker.accepts) return { name: "accept" };
  if (key === "Enter" && several) return { name: "send" };
  if (picker.searches && key.length === 1) return { name: "search" };
  return null;
}
