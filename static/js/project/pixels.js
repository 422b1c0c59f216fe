// From this enlargement on, pixels are shown as squares: a blurred 8 × 8 image does not help.
const PIXELATED_FROM = 3;

/** Give each of these images the class `pixelated` once it is there, if it is shown much larger than it is. */
export function keepPixels(images) {
  for (const image of images) {
    if (image.complete && image.naturalWidth) look(image);
    else image.addEventListener("load", () => look(image), { once: true });
  }
}

function look(image) {
  const scale = Math.min(image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight);
  image.classList.toggle("pixelated", scale >= PIXELATED_FROM);
}
