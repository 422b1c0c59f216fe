// Images of the tasks ahead, loaded and decoded before they are needed.

const RETRY_MS = 2_000;

export class Preloader {
  #images = new Map();

  /** Start loading the images of these tasks, and forget those of all others. */
  keep(tasks) {
    const wanted = new Set(tasks.map((task) => task.id));
    for (const id of this.#images.keys()) if (!wanted.has(id)) this.#images.delete(id);
    for (const task of tasks) this.image(task);
  }

  /** The image element of a task; the same one whenever it is asked for. Null if the item has none. */
  image(task) {
    if (!task.item.media_url) return null;
    let image = this.#images.get(task.id);
    if (!image) {
      image = load(task.item.media_url, () => this.#images.get(task.id) === image || image.isConnected);
      this.#images.set(task.id, image);
    }
    return image;
  }
}

/** An image that is tried again while somebody still wants it. `data-state`: loading, ready or failed. */
function load(url, wanted) {
  const image = new Image();
  image.alt = "The item to label";
  image.draggable = false;
  image.dataset.state = "loading";
  image.addEventListener("load", () => (image.dataset.state = "ready"));
  image.addEventListener("error", () => {
    image.dataset.state = "failed";
    setTimeout(() => wanted() && (image.src = url), RETRY_MS);
  });
  image.src = url;
  image.decode().catch(() => {}); // decoding ahead is a favour; failures arrive as `error`
  return image;
}
