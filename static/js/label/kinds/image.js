// Images, as large as the place allows. A large one comes as a preview, in rows and grids as a thumbnail; its original
// only if the person zooms in that far.

import { tieGestures } from "../../viewer/gestures.js";
import { toolsOf } from "../../viewer/tools.js";
import { Viewer } from "../../viewer/viewer.js";
import { gettext } from "../../words.js";
import { facts, named, note } from "./parts.js";

// From this enlargement on, pixels are shown as squares: a blurred 8 × 8 image does not help.
const PIXELATED_FROM = 3;
// So few pixels across are enlarged that much wherever near-copies are drawn, which need not be measured then.
const TINY = 24;
const RETRY_MS = 2_000;
// The longest side of a thumbnail, and how much larger it may be drawn.
const THUMBNAIL = 320;
const SOFT = 1.25;

const viewer = new Viewer();
let tools = null;

export const keys = { z: "fit", b: "brighter", d: "darker", p: "squares" };
export const signs = { "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", _: "zoomOut" };
export const commands = {
  fit: () => viewer.fit(),
  brighter: () => viewer.brighten(1),
  darker: () => viewer.brighten(-1),
  squares: () => viewer.draw(!viewer.squares),
  zoomIn: () => viewer.step(1),
  zoomOut: () => viewer.step(-1),
  pan: ({ x, y }) => viewer.pan(x, y),
};

/** Whether arrows and fingers move the image. */
export function zoomed() {
  return viewer.shows && viewer.zoomed;
}

/** An image that is tried again while the page needs it. `data-state`: loading, ready or failed. `small`: it is a
 *  near-copy, which must not keep items waiting; `many`: it is one of many in a grid.
 */
export function load(task, wanted, { small = false, many = false } = {}) {
  const url = task.item.media_url;
  if (!url) return null;
  const image = new Image();
  image.alt = small ? "" : gettext("The item to label");
  if (small) Object.assign(image, { fetchPriority: "low", decoding: "async" });
  image.draggable = false;
  image.dataset.state = "loading";
  image.addEventListener("load", () => (image.dataset.state = "ready"));
  image.addEventListener("error", () => {
    image.dataset.state = "failed";
    const { src } = image;
    setTimeout(() => (wanted() || image.isConnected) && (image.src = src), RETRY_MS);
  });
  image.src = sized(url, small || many ? "thumbnail" : "preview");
  if (!small) image.decode().catch(() => {}); // decoding ahead is a favour; failures arrive as `error`
  return image;
}

/** The addresses of an item's files, as they are shown; `small`: in a grid or as a near-copy. */
export function files({ media_url: url }, { small = false } = {}) {
  return url ? [sized(url, small ? "thumbnail" : "preview")] : [];
}

export function show(place, task, image) {
  const frame = document.createElement("div");
  frame.className = "picture";
  place.replaceChildren(frame, ...facts(task.item.data));
  if (!image) {
    frame.append(note(gettext("This item has no image. Skip it as broken.")));
    return;
  }
  frame.append(image, note(gettext("The image has not arrived yet. It is tried again every two seconds.")));
  if (!tools) {
    tools = toolsOf(viewer, { fitKey: document.querySelector("#content").dataset.picker === "search" ? "Shift+Z" : "Z" });
    place.parentElement.append(tools);
  }
  sharpen(image, task);
  tieGestures(frame, viewer);
  viewer.show(frame, image, task.item.media_url);
}

/** In a grid: with pixels as squares where it is enlarged much, and no thumbnail where that would be blurred. */
export function cell(task, image) {
  if (!image) return note(gettext("No image"));
  const fit = () => {
    const { clientWidth = 0, clientHeight = 0 } = image.parentElement ?? {};
    image.classList.toggle("pixelated", clientWidth >= PIXELATED_FROM * image.naturalWidth);
    if (Math.min(clientWidth, clientHeight) * devicePixelRatio > SOFT * THUMBNAIL) sharpen(image, task);
  };
  if (image.complete && image.naturalWidth) requestAnimationFrame(fit);
  else image.addEventListener("load", fit, { once: true });
  return image;
}

/** As a near-copy of another. One without an image is never ready: there is nothing to see. */
export function copy({ loaded: image, onready }) {
  if (!image) return { element: note(gettext("No image")), ready: false };
  const fit = () => image.classList.toggle("pixelated", image.naturalWidth <= TINY);
  const arrived = () => {
    fit();
    onready();
  };
  const ready = image.complete && image.naturalWidth > 0;
  if (ready) fit();
  else image.addEventListener("load", arrived, { once: true });
  return { element: image, ready };
}

/** `seen`: it has been on the screen by itself, so the browser has its preview. */
export function thumbnail(task, seen = false) {
  if (!task.item.media_url) return named(task, gettext("Image"));
  const image = new Image();
  image.src = sized(task.item.media_url, seen ? "preview" : "thumbnail");
  image.alt = "";
  return image;
}

/** Have a thumbnail replaced by the preview. An image that is no larger than a thumbnail is all there is. */
function sharpen(image, task) {
  const thumb = sized(task.item.media_url, "thumbnail");
  if (!image.src.endsWith(thumb)) return;
  const change = () => {
    const small = Math.max(image.naturalWidth, image.naturalHeight) === THUMBNAIL;
    if (small && image.src.endsWith(thumb)) image.src = sized(task.item.media_url, "preview");
  };
  if (image.complete && image.naturalWidth) change();
  else image.addEventListener("load", change, { once: true });
}

function sized(url, size) {
  return `${url}${url.includes("?") ? "&" : "?"}size=${size}`;
}
