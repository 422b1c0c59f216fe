// Swipes of a finger over the item, to the left or to the right. Scrolling up and down stays the browser's.
// On a page that is read from right to left, they are the other way round.

import { mirrored } from "../words.js";

const DISTANCE_PX = 64;
const FOLLOW = 0.6;

/** Call `left` or `right` when one finger is lifted after a clear movement that way. `held()`: fingers mean something
 *  else now. */
export function onSwipe(element, moved, { left, right, held }) {
  let start = null;
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const follow = (x) => {
    moved.style.transform = x && !still.matches ? `translateX(${x * FOLLOW}px)` : "";
  };

  element.addEventListener("pointerdown", (event) => {
    const alone = event.pointerType !== "mouse" && event.isPrimary && !held();
    if (!alone) follow(0); // a second finger: what the first began is no swipe
    start = alone ? { x: event.clientX, y: event.clientY } : null;
  });
  element.addEventListener("pointermove", (event) => {
    if (start && event.isPrimary) follow(event.clientX - start.x);
  });
  element.addEventListener("pointercancel", () => {
    start = null;
    follow(0);
  });
  element.addEventListener("pointerup", (event) => {
    if (!start || !event.isPrimary) return;
    const x = event.clientX - start.x;
    const y = event.clientY - start.y;
    start = null;
    follow(0);
    if (Math.abs(x) < DISTANCE_PX || Math.abs(x) < 2 * Math.abs(y)) return;
    (x < 0 !== mirrored ? left : right)();
  });
}
