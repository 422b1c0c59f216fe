// Answering, skipping, undoing and flagging. The page changes at once; the server gets the answer afterwards.
// An answer is taken only from a gesture that can have been meant for the item in sight: see guard.js.

import { gettext, listed, ngettext, number } from "../words.js";
import { uuid } from "./ids.js";
import { rejected } from "./sentences.js";

// Refusals after which the other tasks of the batch are not wanted either.
const BATCH_GONE = "batch_closed";

export class Labeler {
  #queue;
  #outbox;
  #preloader;
  #history;
  #guidelines;
  #picker;
  #pace;
  #batch;
  #view;
  #waiting;
  #guard;
  #stopwatch;
  #grids;
  #copies;
  #classes;
  #flagged = false;

  /** `grids`, `copies`: null where the project has none. */
  constructor({ queue, outbox, preloader, history, guidelines, picker, pace, batch, view, waiting, guard, stopwatch, grids, copies, classes }) {
    this.#queue = queue;
    this.#outbox = outbox;
    this.#preloader = preloader;
    this.#history = history;
    this.#guidelines = guidelines;
    this.#picker = picker;
    this.#pace = pace;
    this.#batch = batch;
    this.#view = view;
    this.#waiting = waiting;
    this.#guard = guard;
    this.#stopwatch = stopwatch;
    this.#grids = grids;
    this.#copies = copies;
    this.#classes = classes;
  }

  /** Show the first task of the queue or its grid, or say why there is none. `said`: what has just happened; `before`:
   *  how an answer that is taken back was: `{value, flagged, comment}`, or the tasks of a `grid` with their `states`. */
  show(said = "", { value, flagged = false, comment = "", grid, states } = {}) {
    this.#queue.cells = this.#grids?.held ?? 0;
    const task = this.#queue.current;
    this.#setFlag(flagged);
    this.#view.comment.value = comment;
    this.#batch.show();
    // Names of classes may have another meaning by now.
    const stale = task && task.classRevision !== this.#classes.revision;
    if (stale) task.item = { ...task.item, prediction: undefined, suggestions: undefined };
    this.#picker.reset(stale ? undefined : value, task?.item);
    if (!task) {
      this.#copies?.show(null);
      this.#view.showLoading();
      this.#view.announce(said);
      this.#waiting.start();
      return;
    }
    this.#waiting.stop();
    this.#queue.inGrid = this.#grids?.show(said, grid, states) ?? false;
    if (this.#queue.inGrid) {
      this.#copies?.show(null);
      this.#queue.refill();
      return;
    }
    this.#copies?.show(task); // first: what shows the item measures the page
    this.#view.showTask(task, this.#preloader.loaded(task));
    this.#guard.appeared();
    this.#stopwatch.start();
    const { done, size } = this.#batch;
    const values = { number: number(Math.min(done + 1, size)), all: number(size) };
    const place = size ? gettext("Item {number} of {all}.", values) : gettext("New item.");
    const spoken = [said, place, task.item.proposed ?? "", this.#picker.spoken, this.#copies?.spoken];
    this.#view.announce(spoken.filter(Boolean).join(" "));
    this.#queue.refill();
  }

  answer(value, said) {
    if (!this.#guard.admits()) return;
    const class_revision = this.#classes.revision;
    this.#give({ said, value }, (sent) => this.#outbox.answer({ ...sent, value, class_revision }));
  }

  /** The classes have changed: `picker` has the new ones, and `chosen` of them are chosen for the item in sight. */
  adopt(picker, chosen) {
    this.#picker = picker;
    const task = this.#queue.current;
    if (this.#grids?.shown) {
      this.show("", { states: this.#grids.marks });
      return;
    }
    if (!this.#view.showsItem) return;
    picker.reset(chosen, task.item);
    this.#view.showNames(task.item);
    this.#guard.appeared();
  }

  /** `words`: the reason in the page's language; `proposed`: the name of a class that is missing, if there is one. */
  skip(reason, words, proposed = undefined, comment = "") {
    const entry = { said: gettext("Skipped: {reason}", { reason: words }), skipped: true, comment };
    this.#give(entry, (sent) => this.#outbox.skip({ ...sent, reason, proposed_class: proposed }));
  }

  #give(entry, send) {
    if (!this.#queue.current || !this.#view.showsItem) return;
    const beside = entry.skipped ? {} : (this.#copies?.answer(this.#guard.at) ?? {});
    const seconds = this.#stopwatch.seconds();
    const comment = entry.comment || this.#view.comment.value.trim();
    const flagged = this.#flagged || Boolean(comment);
    const task = this.#queue.shift();
    const id = uuid();
    send({ id, task: task.id, seconds, flagged, comment, guidelines_version: this.#guidelines.version, ...beside });
    this.#history.add({ ...entry, id, task, flagged, comment, batch: task.batch });
    if (!entry.skipped) this.#pace.answered();
    const more = beside.same?.length ? [ngettext("also for {n} more", "also for {n} more", beside.same.length)] : [];
    const given = entry.skipped ? entry.said : gettext("Answered: {answer}", { answer: entry.said });
    this.#view.tell(listed([given, ...more, ...(flagged ? [gettext("flagged")] : [])]));
    this.show(`${listed([entry.said, ...more])}.`);
    if (!this.#grids?.shown) this.#guard.answered();
  }

  /** Take back one of the last answers; its item comes back at once. */
  undo(entry = this.#history.last) {
    if (!entry) {
      this.#view.tell(gettext("Nothing to undo. You can undo this tab's last ten answers while their batch is open."));
      this.#view.announce(gettext("Nothing to undo."));
      return;
    }
    if (entry.grid) {
      this.#grids?.undo(entry);
      return;
    }
    this.#history.remove(entry.id);
    this.#outbox.undo({ id: entry.id, task: entry.task.id });
    this.#queue.unshift(entry.task);
    if (!entry.skipped) this.#pace.undone();
    const words = gettext("Undone: {answer}", { answer: entry.said });
    this.#view.tell(words);
    this.show(`${words}.`, { ...entry, grid: [] });
    this.#guard.known();
  }

  toggleFlag() {
    if (!this.#view.showsItem) return;
    this.#setFlag(!this.#flagged);
    const sentence = this.#flagged
      ? gettext("Flagged: the reviewers will see it with your answer")
      : gettext("No longer flagged");
    this.#view.tell(sentence);
    this.#view.announce(sentence);
  }

  /** Flag the item, and write why. */
  writeComment() {
    if (!this.#view.showsItem) return;
    if (!this.#flagged) this.toggleFlag();
    this.#view.comment.focus();
  }

  #setFlag(on) {
    this.#flagged = on;
    this.#view.showFlag(on);
  }

  /** The server did not take an answer, a skip or an undo. */
  rejected(entry, code, detail) {
    this.#history.remove(entry.id);
    const sentence = rejected(code, detail);
    this.#view.tell(sentence);
    this.#view.announce(sentence);
    const before = this.#queue.current;
    if (code === BATCH_GONE) this.#queue.clear();
    else if (entry.type === "undo") this.#queue.drop(entry.task);
    else this.#queue.refused(entry.task);
    if (this.#queue.current !== before) this.show(sentence);
    this.#batch.refresh();
  }

  /** These tasks, some of them on the screen, went to other people because their lease had run out. */
  lost(ids) {
    const sentence = gettext("Items that were open for too long went to other people.");
    this.#view.tell(sentence);
    if (!this.#grids?.shown || !this.#grids.lost(ids)) this.show(sentence);
  }
}
