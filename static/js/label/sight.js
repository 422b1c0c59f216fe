// Whether a person can have seen an element: it was loaded and in view for as long as it takes to see it.

// A person needs at least this long to see a new element.
export const SEE_MS = 300;
// So much of it has to be in view.
export const IN_VIEW = 0.7;

export class Sight {
  /** Whether it has loaded. */
  ready;

  #inView = false;
  #placed = false; // the browser has said whether it is in view
  #since = null; // since when it has been loaded and in view

  constructor(ready = true) {
    this.ready = ready;
  }

  /** Whether it had been seen at this time: that of a gesture, not of its handling. */
  seen(at) {
    return this.ready && this.#since !== null && at - this.#since >= SEE_MS;
  }

  /** It is out of view, and was never in it. */
  get missed() {
    return this.#placed && this.#since === null;
  }

  loaded() {
    this.ready = true;
    this.#look();
  }

  /** The browser says whether it is in view now. */
  viewed(inView) {
    this.#placed = true;
    this.#inView = inView;
    // Rushed past is not seen.
    if (!inView && !this.seen(performance.now())) this.#since = null;
    this.#look();
  }

  #look() {
    if (this.ready && this.#inView) this.#since ??= performance.now();
  }
}

/** Tell each element's sight whether the element is in view. `sightOf`: by the element; `onchange`: after a change. */
export function watchSight(sightOf, onchange) {
  return new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio } of entries) sightOf(target)?.viewed(intersectionRatio >= IN_VIEW);
      onchange();
    },
    { threshold: IN_VIEW },
  );
}
