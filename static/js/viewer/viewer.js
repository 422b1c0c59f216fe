// One image that can be looked at closely: zoomed about a point, moved, brightened. Knows neither tasks nor answers.
//
// At zoom 1 the style sheet fits the image into its frame; all else is a transform on top, so that a window may change
// its size at any time.

// The longest side of a preview. An image of just this size may stand for a larger one.
export const PREVIEW = 1600;
// From this enlargement on, pixels are shown as squares: a blurred 8 × 8 image does not help.
const SQUARES_FROM = 2;
// Nor is it read more easily when each of its pixels gets as large as a thumb.
const LARGEST_SCALE = 32;
const LEAST_REACH = 8;
const STEP = 1.5;
// So much of a pixel of the screen may be made up before the original is fetched.
const SOFT = 1.25;
const BRIGHTNESS = [0.4, 0.6, 0.8, 1, 1.25, 1.6, 2, 2.5, 3.2];

export class Viewer {
  /** Called after each change of what is said about the view. */
  onchange = () => {};
  /** Whether large pixels are squares, or blurred into each other. */
  squares = true;
  /** What the light of the image is multiplied by. Stays from one image to the next. */
  brightness = 1;
  /** Of the original: "" (not asked for), "loading", "here" or "missing". */
  original = "";

  #frame = null;
  #image = null;
  #url = "";
  #coming = null;
  #zoom = 1;
  #at = { x: 0, y: 0 };

  get zoom() {
    return this.#zoom;
  }

  get zoomed() {
    return this.#zoom > 1;
  }

  /** Whether an image is on the screen. */
  get shows() {
    return Boolean(this.#frame?.isConnected);
  }

  /** Show an image in its frame, all of it. `url`: of the original, if the image may be a preview. */
  show(frame, image, url = "") {
    if (this.#coming) this.#coming.src = ""; // the image is no longer needed
    this.#coming = null;
    Object.assign(this, { original: "" });
    [this.#frame, this.#image, this.#url] = [frame, image, url];
    this.#fitted();
    this.fit();
  }

  fit() {
    this.#set(1, { x: 0, y: 0 });
  }

  /** Zoom by a step: in, or out with -1. */
  step(way) {
    this.zoomBy(STEP ** way);
  }

  /** Zoom so that the point, in pixels from the frame's centre, stays where it is. */
  zoomBy(factor, point = { x: 0, y: 0 }) {
    const zoom = Math.min(Math.max(1, this.#zoom * factor), this.#most());
    const kept = zoom / this.#zoom;
    this.#set(zoom, { x: point.x - (point.x - this.#at.x) * kept, y: point.y - (point.y - this.#at.y) * kept });
  }

  /** From all of it to one pixel of the image on one of the screen, or twice as large if that is more; and back. */
  toggle(point) {
    if (this.zoomed) this.fit();
    else this.zoomBy(Math.max(2, 1 / (this.#scale() * devicePixelRatio)), point);
  }

  /** Move the image by so many pixels of the page. */
  move(x, y) {
    this.#set(this.#zoom, { x: this.#at.x + x, y: this.#at.y + y });
  }

  /** Move the view by a part of the frame: to the right with x = 1. */
  pan(x, y) {
    const { clientWidth, clientHeight } = this.#frame;
    this.move((-x * clientWidth) / 5, (-y * clientHeight) / 5);
  }

  /** One step brighter, or darker with -1. */
  brighten(way) {
    const at = BRIGHTNESS.findIndex((each) => each >= this.brightness);
    this.light(BRIGHTNESS[Math.min(Math.max(0, at + way), BRIGHTNESS.length - 1)]);
  }

  light(brightness) {
    this.brightness = brightness;
    this.#draw();
  }

  draw(squares) {
    this.squares = squares;
    this.#draw();
  }

  #set(zoom, { x, y }) {
    if (!this.#frame) return;
    const { clientWidth, clientHeight } = this.#frame;
    this.#zoom = zoom;
    const reach = (size, room) => Math.max(0, (size * zoom - room) / 2);
    const within = (value, most) => Math.min(Math.max(-most, value), most);
    const limits = zoom === 1 ? [0, 0] : [reach(this.#image.clientWidth, clientWidth), reach(this.#image.clientHeight, clientHeight)];
    this.#at = { x: within(x, limits[0]), y: within(y, limits[1]) };
    this.#draw();
    this.#sharpen();
  }

  #draw() {
    if (!this.#frame) return;
    const { style } = this.#image;
    const { x, y } = this.#at;
    style.transform = this.zoomed ? `translate(${x}px, ${y}px) scale(${this.#zoom})` : "";
    style.setProperty("--zoom", this.#zoom);
    style.filter = this.brightness === 1 ? "" : `brightness(${this.brightness})`;
    this.#frame.dataset.zoomed = this.zoomed;
    requestAnimationFrame(() => this.#square()); // it asks how large the image is: once the page has been laid out
    this.onchange();
  }

  #square() {
    const image = this.#image;
    image.classList.toggle("pixelated", this.squares && !this.#soft && this.#scale() * this.#zoom >= SQUARES_FROM);
  }

  /** Whether what is shown may be a preview. */
  get #soft() {
    const { naturalWidth, naturalHeight } = this.#image;
    return Boolean(this.#url) && this.original !== "here" && Math.max(naturalWidth, naturalHeight) === PREVIEW;
  }

  /** Pixels of the page that a pixel of the image takes, all of it in view. */
  #scale() {
    return this.#image.clientWidth / (this.#image.naturalWidth || Infinity);
  }

  #most() {
    return Math.max(LEAST_REACH, LARGEST_SCALE / (this.#scale() || 1));
  }

  /** Have the style sheet fit the image into its frame, once its shape is known. */
  #fitted() {
    const image = this.#image;
    const fit = () => {
      image.style.setProperty("--w", image.naturalWidth);
      image.style.setProperty("--h", image.naturalHeight);
      image.classList.add("fitted");
      if (image === this.#image) this.#draw();
    };
    if (image.complete && image.naturalWidth) fit();
    image.addEventListener("load", fit);
  }

  /** Fetch the original where the preview has no more to show. */
  #sharpen() {
    const enough = this.#scale() * this.#zoom * devicePixelRatio <= SOFT;
    if (!this.zoomed || enough || !this.#soft || this.original) return;
    const [shown, whole] = [this.#image, new Image()];
    whole.alt = shown.alt;
    whole.draggable = false;
    whole.dataset.state = "ready";
    whole.src = this.#url;
    this.#coming = whole;
    this.#tell("loading");
    whole.decode().then(
      () => whole === this.#coming && this.#replace(shown, whole),
      () => whole === this.#coming && this.#tell("missing"),
    );
  }

  #replace(shown, whole) {
    this.#image = whole;
    this.original = "here";
    this.#fitted();
    shown.replaceWith(whole);
    this.#set(this.#zoom, this.#at);
  }

  #tell(state) {
    this.original = state;
    this.onchange();
  }
}
