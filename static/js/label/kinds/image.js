// Images, as large as the place allows.

import { excerpt, facts, note } from "./parts.js";

// From this enlargement on, pixels are shown as squares: a blurred 8 × 8 image helps nobody.
const PIXELATED_FROM = 3;
// Nor is it read more easily when each of its pixels gets as large as a thumb.
const LARGEST_SCALE = 32;
// So few pixels across are enlarged that much wherever near-copies are drawn, which need not be measured then.
const TINY = 24;
const RETRY_MS = 2_000;

export const keys = {};
export const commands = {};

/** An image that is tried again while somebody still wants it. `data-state`: loading, ready or failed. `small`: it is a
 *  near-copy, which must not keep items waiting.
 */
export function load(task, wanted, small = false) {
  const url = task.item.media_url;
  if (!url) return null;
  const image = new Image();
  image.alt = small ? "" : "The item to label";
  if (small) Object.assign(image, { fetchPriority: "low", decoding: "async" });
  image.draggable = false;
  image.dataset.state = "loading";
  image.addEventListener("load", () => (image.dataset.state = "ready"));
  image.addEventListener("error", () => {
    image.dataset.state = "failed";
    setTimeout(() => (wanted() || image.isConnected) && (image.src = url), RETRY_MS);
  });
  image.src = url;
  if (!small) image.decode().catch(() => {}); // decoding ahead is a favour; failures arrive as `error`
  return image;
}

export function show(place, task, image) {
  place.replaceChildren(picture(place, image), ...facts(task.item.data));
}

/** In a grid: with pixels as squares where it is enlarged much. */
export function cell(task, image) {
  if (!image) return note("No image");
  const fit = () => image.classList.toggle("pixelated", image.parentElement?.clientWidth >= PIXELATED_FROM * image.naturalWidth);
  if (image.complete && image.naturalWidth) requestAnimationFrame(fit);
  else image.addEventListener("load", fit, { once: true });
  return image;
}

/** As a near-copy of another. One without an image is never ready: there is nothing to see. */
export function copy({ loaded: image, onready }) {
  if (!image) return { element: note("No image"), ready: false };
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

export function thumbnail(task) {
  if (!task.item.media_url) return excerpt(task.item.external_id);
  const image = new Image();
  image.src = task.item.media_url;
  image.alt = "";
  return image;
}

function picture(place, image) {
  const frame = document.createElement("div");
  frame.className = "picture";
  if (!image) {
    frame.append(note("This item has no image. Skip it as broken."));
    return frame;
  }
  frame.append(image);
  const fit = () => {
    const scale = Math.min(place.clientWidth / image.naturalWidth, place.clientHeight / image.naturalHeight);
    image.classList.toggle("pixelated", scale >= PIXELATED_FROM);
    image.style.maxWidth = `${LARGEST_SCALE * image.naturalWidth}px`;
    image.style.maxHeight = `${LARGEST_SCALE * image.naturalHeight}px`;
  };
  if (image.complete && image.naturalWidth) fit();
  else image.addEventListener("load", fit, { once: true });
  frame.append(note("The image has not arrived yet. It is tried again every two seconds."));
  return frame;
}
