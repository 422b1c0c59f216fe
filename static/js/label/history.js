// The last ten answers, which can be taken back. They survive a reload of the tab.

import { gettext } from "../words.js";

const KEPT = 10;

export class History {
  onundo = () => {};

  #entries;
  #key;
  #kind;
  #list = document.querySelector("#history");
  #undo = document.querySelector("#undo");
  #empty = document.querySelector("#history-empty");

  constructor(key, kind) {
    this.#key = `${key}:history`;
    this.#kind = kind;
    this.#entries = this.#read();
    this.#show();
  }

  get last() {
    return this.#entries.at(-1) ?? null;
  }

  /** Add `{id, task, batch, said, value, flagged, skipped}`, the newest. */
  add(entry) {
    this.#entries = [...this.#entries, entry].slice(-KEPT);
    this.#changed();
  }

  /** Remove an entry, or one answer of a grid: it cannot be taken back. */
  remove(id) {
    this.#entries = this.#entries.flatMap((entry) => {
      if (entry.id === id) return [];
      const answers = entry.grid?.answers.filter((answer) => answer.id !== id);
      if (!answers || answers.length === entry.grid.answers.length) return [entry];
      return answers.length ? [{ ...entry, grid: { ...entry.grid, answers } }] : [];
    });
    this.#changed();
  }

  /** Only answers in these batches can still be taken back. */
  keep(batches) {
    const kept = this.#entries.filter((entry) => batches.includes(entry.batch));
    if (kept.length === this.#entries.length) return;
    this.#entries = kept;
    this.#changed();
  }

  #changed() {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this.#entries));
    } catch {
      // Without storage the list lasts as long as the page.
    }
    this.#show();
  }

  #read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key)) ?? [];
    } catch {
      return [];
    }
  }

  /** Rows of entries that are still there stay as they are: their images need not load again. */
  #show() {
    const rows = new Map([...this.#list.children].map((row) => [row.dataset.id, row]));
    const wanted = this.#entries.toReversed().map((entry) => rows.get(entry.id) ?? this.#row(entry));
    this.#list.replaceChildren(...wanted);
    this.#empty.hidden = wanted.length > 0;
    // A press gets a message that says why there is nothing.
    this.#undo.setAttribute("aria-disabled", wanted.length === 0);
  }

  #row(entry) {
    const row = document.createElement("li");
    row.dataset.id = entry.id;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "past";
    const said = document.createElement("span");
    said.className = entry.skipped ? "said skipped" : "said";
    said.dir = "auto";
    said.textContent = entry.skipped ? gettext("Skipped") : entry.said;
    button.append(whatItDoes(), this.#kind.thumbnail(entry.task, !entry.grid), said);
    if (entry.flagged) button.append(" ", flagMark());
    button.title = gettext("Undo: {answer}", { answer: entry.said });
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => this.onundo(entry));
    row.append(button);
    return row;
  }
}

/** For screen readers, before what the button shows. */
function whatItDoes() {
  const words = document.createElement("span");
  words.className = "unseen";
  words.textContent = `${gettext("Undo:")} `;
  return words;
}

function flagMark() {
  const mark = document.createElement("span");
  mark.className = "flag-mark";
  mark.textContent = gettext("flagged");
  return mark;
}
