// Wheel, mouse and fingers on the frame of an image.

const WHEEL = 0.0025; // of a doubling, for each pixel that a wheel turns
const LINE_PX = 30;
const SNAP = 1.05; // a pinch that ends so near to the whole image meant that

/** Have a frame's gestures move the viewer. `scrolls`: the page scrolls, so a wheel zooms only with Ctrl, or once zoomed. */
export function tieGestures(frame, viewer, { scrolls = false } = {}) {
  const fingers = new Map();
  let moved = false;

  const fromCentre = ({ clientX, clientY }) => {
    const box = frame.getBoundingClientRect();
    return { x: clientX - box.left - box.width / 2, y: clientY - box.top - box.height / 2 };
  };
  const span = () => {
    const [a, b] = [...fingers.values()];
    const middle = { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
    return { ...fromCentre(middle), length: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) };
  };
  const leave = (event) => {
    fingers.delete(event.pointerId);
    if (viewer.zoom < SNAP && viewer.zoomed && event.pointerType !== "mouse") viewer.fit();
  };

  frame.addEventListener(
    "wheel",
    (event) => {
      if (!viewer.zoomed && (event.deltaY > 0 || (scrolls && !event.ctrlKey && !event.metaKey))) return;
      event.preventDefault();
      viewer.zoomBy(2 ** (-event.deltaY * (event.deltaMode ? LINE_PX : 1) * WHEEL * (event.ctrlKey ? 4 : 1)), fromCentre(event));
    },
    { passive: false },
  );
  // The focus stays where it is: the next key is for the item.
  frame.addEventListener("mousedown", (event) => event.preventDefault());
  frame.addEventListener("pointerdown", (event) => {
    moved = false;
    if (event.pointerType === "mouse" && event.button !== 0) return;
    fingers.set(event.pointerId, event);
    if (viewer.zoomed || fingers.size > 1) frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    if (fingers.size === 2) {
      const from = span();
      fingers.set(event.pointerId, event);
      const to = span();
      viewer.zoomBy(to.length / (from.length || 1), from);
      viewer.move(to.x - from.x, to.y - from.y);
      moved = true;
      return;
    }
    fingers.set(event.pointerId, event);
    if (!viewer.zoomed) return;
    viewer.move(event.clientX - before.clientX, event.clientY - before.clientY);
    moved = true;
  });
  frame.addEventListener("pointerup", leave);
  frame.addEventListener("pointercancel", leave);
  // Neither does the page scroll under two fingers, nor under one that moves the image.
  frame.addEventListener("touchmove", (event) => (viewer.zoomed || event.touches.length > 1) && event.preventDefault(), { passive: false });
  frame.addEventListener("dblclick", (event) => {
    event.preventDefault();
    viewer.toggle(fromCentre(event));
  });
  // Where the frame is a link, the end of a movement does not follow it.
  frame.addEventListener("click", (event) => (moved || viewer.zoomed) && event.preventDefault());
}
