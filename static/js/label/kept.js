// What the screen needs to start without a network: its page with all files, the classes, and the held items with their
// files. The service worker (templates/label/worker.js) answers with it; answers are not in it (outbox.js).
//
// Browsers have caches and service workers with HTTPS and on localhost only.

import { cacheOf, forgetAllBut } from "../kept.js";

const PAUSE_MS = 500;
const STATIC = new URL("../../", import.meta.url).href;
const PAGE = new URL(location.pathname, location.href).href;
const RECORDS = `${PAGE}item/`;

export class Kept {
  /** Whether this browser keeps anything. */
  static works = "caches" in globalThis && "serviceWorker" in navigator;

  /** The classes as the server last gave them, if the picker needs them. */
  classes = null;

  #name;
  #user;
  #urls;
  #filesOf;
  #held;
  #begun = false;
  #classesKept = null;
  #tasks = new Map(); // tasks that may be in the cache, by id
  #revisions = new Map(); // by which revision of the classes each of them was written
  #wanted = false;
  #running = false;

  /** `filesOf(task)`: addresses of the files that show a task; `held()`: the tasks that are held, and `answered`: the ids
   *  of those whose answer waits here, for an undo brings them back; null while that is not known. */
  constructor({ user, project, urls, filesOf, held }) {
    this.#name = cacheOf(user, project);
    this.#user = user;
    this.#urls = urls;
    this.#filesOf = filesOf;
    this.#held = held;
  }

  /** The tasks that were held when the page was last open. */
  async tasks() {
    if (!Kept.works || !(await caches.has(this.#name))) return [];
    const cache = await caches.open(this.#name);
    const records = (await cache.keys()).filter(({ url }) => url.startsWith(RECORDS));
    const tasks = await Promise.all(records.map(async (record) => (await cache.match(record)).json()));
    for (const task of tasks) this.#know(task);
    return tasks;
  }

  /** Cache the held tasks half a second after a change, so that no answer waits for it. */
  async soon() {
    this.#wanted = true;
    if (!Kept.works || this.#running) return;
    this.#running = true;
    while (this.#wanted) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      this.#wanted = false;
      await this.#keep().catch(() => {}); // a full disk, say: the screen works without
    }
    this.#running = false;
  }

  /** This person may not label here any more. */
  forget() {
    if (Kept.works) caches.delete(this.#name);
  }

  async #keep() {
    const cache = await caches.open(this.#name);
    if (!this.#begun) await this.#begin(cache);
    if (this.classes !== this.#classesKept) await cache.put(this.#urls.classes, json(this.classes));
    this.#classesKept = this.classes;
    const held = this.#held();
    if (!held) return;
    const { tasks, answered } = held;
    const wanted = [...tasks, ...[...answered].map((id) => this.#tasks.get(id)).filter(Boolean)];
    for (const task of wanted) {
      if (this.#revisions.get(task.id) !== task.classRevision) await cache.put(`${RECORDS}${task.id}`, json(task));
      this.#know(task);
    }
    const files = new Set(wanted.flatMap(this.#filesOf).map((url) => new URL(url, PAGE).href));
    const ids = new Set(wanted.map((task) => task.id));
    for (const id of this.#tasks.keys()) if (!ids.has(id)) this.#forget(id);
    const kept = new Set((await cache.keys()).map(({ url }) => url));
    for (const url of kept) {
      const gone = url.startsWith(RECORDS) ? !ids.has(Number(url.slice(RECORDS.length))) : ofItems(url) && !files.has(url);
      if (gone) await cache.delete(url);
    }
    // One after the other: the items that come next are loading beside.
    for (const url of files) if (!kept.has(url)) await cache.add(url).catch(() => {});
  }

  /** The page and its files, all or none, in place of those of an earlier release. */
  async #begin(cache) {
    await forgetAllBut(this.#user);
    await register(this.#urls.worker);
    const files = new Set(performance.getEntriesByType("resource").map(({ name }) => name).filter((url) => url.startsWith(STATIC)));
    await cache.addAll([PAGE, ...files]);
    for (const { url } of await cache.keys()) if (url.startsWith(STATIC) && !files.has(url)) await cache.delete(url);
    this.#begun = true;
  }

  #know(task) {
    this.#tasks.set(task.id, task);
    this.#revisions.set(task.id, task.classRevision);
  }

  #forget(id) {
    this.#tasks.delete(id);
    this.#revisions.delete(id);
  }
}

const json = (value) => new Response(JSON.stringify(value), { headers: { "Content-Type": "application/json" } });

/** Whether it is a file of an item: what else is kept has its place under the page's, or is static. */
const ofItems = (url) => !url.startsWith(PAGE) && !url.startsWith(STATIC);

function register(url) {
  const policy = globalThis.trustedTypes?.createPolicy("worker", { createScriptURL: (own) => own });
  return navigator.serviceWorker.register(policy?.createScriptURL(url) ?? url);
}
