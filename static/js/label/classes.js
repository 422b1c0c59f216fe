// The classes on this screen, and what happens when a manager has changed them: the screen gets the new ones, with what
// is chosen so far, and says what is new before the next answer. Until then an answer counts for what its button says.

import { gettext, isolated } from "../words.js";
import { keysFor } from "./pickers/keys.js";
import { classesSentence } from "./sentences.js";

// A person needs at least this long to read which keys have changed.
const READ_MS = 600;

/** What an item says in names of classes. */
export const named = ({ proposed, prediction, suggestions }) => ({ proposed, prediction, suggestions });

export class Classes {
  /** How often the classes had been changed when these were read: each answer is sent with it. */
  revision;
  /** Called when the screen must show the new classes, with `rename`: the name that a class has now by its earlier one. */
  onchange = () => {};

  #api;
  #queue;
  #view;
  #picker;
  #known;
  #asking = false;
  #shownAt = 0;
  #notice = document.querySelector("#classes-changed");
  #dialog = document.querySelector("#classes-dialog");
  #button = document.querySelector("#classes-go-on");

  /** `known`: as the server gives them, null where no picker needs them; `picker`: the name of this page's. */
  constructor({ api, queue, view, known, revision, picker }) {
    this.#api = api;
    this.#queue = queue;
    this.#view = view;
    this.#known = known;
    this.#picker = picker;
    this.revision = revision;
    document.querySelector("#classes-dismiss").addEventListener("click", () => this.dismiss());
    this.#button.addEventListener("click", () => this.#goOn());
    this.#dialog.addEventListener("close", () => document.activeElement?.blur());
  }

  /** Whether the person has yet to see that a key has changed. */
  get open() {
    return this.#dialog.open;
  }

  /** The server has this revision: fetch the classes if the screen has others. Fails in silence: the next reply tries again. */
  async follow(newest) {
    if (!(newest > this.revision) || this.#asking) return;
    this.#asking = true;
    try {
      const classes = await this.#api.classes(this.revision);
      // The tasks must speak of the classes by the same names.
      if (this.#queue.classRevision < classes.revision) await this.#queue.claim();
      if (this.#queue.classRevision === classes.revision) this.#show(classes);
    } catch {
      // Other code shows problems with the connection.
    } finally {
      this.#asking = false;
    }
  }

  /** The change is known: say it no more. */
  dismiss() {
    if (this.#notice.contains(document.activeElement)) document.activeElement.blur();
    this.#notice.hidden = true;
  }

  #show(classes) {
    const rename = (name) => classes.renamed[name] ?? name;
    const before = this.#known;
    const text = before ? classesSentence(changesOf(before, classes, rename)) : gettext("The classes have changed");
    const reload = before && classes.picker !== this.#picker;
    const keys = before ? keysThatMoved(before, classes, rename) : [];
    if (!reload) {
      this.revision = classes.revision;
      this.#known &&= classes;
      this.#queue.rename();
      this.onchange(classes, rename);
      this.#notice.hidden = false;
      document.querySelector("#classes-changed-text").textContent = text;
    }
    if (reload || keys.length) this.#ask(keys, reload, text);
    this.#view.announce([text, ...keys].join(". "));
  }

  #ask(keys, reload, text) {
    document.querySelector("#classes-changed-said").textContent = reload ? `${text}. ${gettext("The page has to be loaded again.")}` : "";
    document.querySelector("#classes-keys").replaceChildren(...keys.map(row));
    document.querySelector("#classes-go-on-text").textContent = reload ? gettext("Reload") : gettext("Go on");
    this.#button.dataset.reload = reload ? "yes" : "";
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#shownAt = performance.now();
  }

  #goOn() {
    if (performance.now() - this.#shownAt < READ_MS) return;
    if (this.#button.dataset.reload) location.reload();
    else this.#dialog.close();
  }
}

function row(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

/** The names that are new, gone, or others now: of the classes `before` and `after`. */
function changesOf(before, after, rename) {
  const was = before.classes.map(rename);
  const now = new Set(after.classes);
  const had = new Set(was);
  return {
    added: after.classes.filter((name) => !had.has(name)),
    gone: before.classes.filter((_, at) => !now.has(was[at])),
    renamed: before.classes.map((name, at) => [name, was[at]]).filter(([name, is]) => name !== is && now.has(is)),
  };
}

/** A sentence for each key that chooses another class than before. */
function keysThatMoved(before, after, rename) {
  const suggesting = Boolean(document.querySelector("#suggested"));
  const keys = ({ classes, details }) => keysFor(classes, details, suggesting).map((key, at) => [key, classes[at]]);
  const byKey = new Map(keys(before));
  return keys(after)
    .filter(([key, name]) => key && byKey.has(key) && rename(byKey.get(key)) !== name)
    .map(([key, name]) => {
      const names = { key, now: isolated(name), before: isolated(byKey.get(key)) };
      return gettext("{key} is now {now}, no longer {before}", names);
    });
}
