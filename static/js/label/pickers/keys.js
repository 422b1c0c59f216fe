// Digit keys, the buttons that bear them, and what a pressed one looks like.

const BESIDE_SUGGESTIONS = { 1: "6", 2: "7", 3: "8", 4: "9", 5: "0" };

/** The digit key of each class, "" for none. `suggesting`: the keys 1 to 5 choose suggestions. */
export function keysFor(names, details = {}, suggesting = false) {
  const keys = names.map((name) => details[name]?.key ?? "");
  return suggesting ? keys.map((key) => BESIDE_SUGGESTIONS[key] ?? "") : keys;
}

/** A button that chooses a class, with the key, or keys, that press it. */
export function choiceButton(name, keys) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button choice";
  button.value = name;
  const text = document.createElement("span");
  text.dir = "auto";
  text.textContent = name;
  const hint = document.createElement("kbd");
  hint.textContent = keys;
  hint.setAttribute("aria-hidden", "true");
  button.append(text);
  if (!keys) return button;
  button.setAttribute("aria-keyshortcuts", keys);
  button.append(hint);
  return button;
}

/** Show for a moment which button a key has pressed. */
export function flash(button) {
  button.classList.remove("pressed");
  void button.offsetWidth; // start the animation again
  button.classList.add("pressed");
}
