// Looking closely at the image of an item's page, or of a review.

import { tieGestures } from "../viewer/gestures.js";
import { toolsOf } from "../viewer/tools.js";
import { Viewer } from "../viewer/viewer.js";

const KEYS = { "+": 1, "=": 1, "-": -1, _: -1 };

const viewer = new Viewer();

/** Make the image of the page that has just come one that can be zoomed. */
export function lookCloser() {
  const frame = document.querySelector(".item-beside .picture");
  const image = frame?.querySelector("img");
  if (!image) return;
  image.draggable = false;
  frame.parentElement.append(toolsOf(viewer));
  tieGestures(frame, viewer, { scrolls: true });
  viewer.show(frame, image, frame.href);
}

/** Zoom by a key. False if it is none for that. */
export function zoomByKey(key) {
  if (!KEYS[key] || !viewer.shows) return false;
  viewer.step(KEYS[key]);
  return true;
}
