// Digit keys, and what a pressed one looks like.

const POSITIONS = "1234567890";

/** The digit key of each class: its own name where all classes are called by one digit, else its position. */
export function keysFor(names) {
  const digits = names.length <= 10 && names.every((name) => /^[0-9]$/.test(name));
  return names.slice(0, 10).map((name, index) => (digits ? name : POSITIONS[index]));
}

/** Show for a moment which button a key has pressed. */
export function flash(button) {
  button.classList.remove("pressed");
  void button.offsetWidth; // start the animation again
  button.classList.add("pressed");
}
