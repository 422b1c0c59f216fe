// Digit keys, the buttons that bear them, and what a pressed one looks like.

const POSITIONS = "1234567890";

/**
 * The digit key of each class, "" for none: the one that a manager gave it, its own name where all classes are called by
 * one digit, else its position's, of those that are left. `taken`: keys that are none of theirs.
 */
export function keysFor(names, details = {}, taken = "") {
  const own = names.map((name) => details[name]?.key ?? "").map((key) => (taken.includes(key) ? "" : key));
  if (!own.some(Boolean) && names.length <= 10 && names.every((name) => /^[0-9]$/.test(name))) return names;
  const left = [...POSITIONS].filter((key) => !own.includes(key) && !taken.includes(key));
  return own.map((key) => key || left.shift() || "");
}

/** A button that chooses a class, with the key, or keys, that press it. */
export function choiceButton(name, keys) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button choice";
  button.value = name;
  const text = document.createElement("span");
  text.textContent = name;
  const hint = document.createElement("kbd");
  hint.textContent = keys;
  hint.setAttribute("aria-hidden", "true");
  button.setAttribute("aria-keyshortcuts", keys);
  button.append(text, hint);
  return button;
}

/** Show for a moment which button a key has pressed. */
export function flash(button) {
  button.classList.remove("pressed");
  void button.offsetWidth; // start the animation again
  button.classList.add("pressed");
}
