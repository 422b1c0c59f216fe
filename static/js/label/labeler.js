// What happens when somebody answers, skips, takes back or flags. Always at once: the server hears of it afterwards.
// An answer is taken only from a gesture that can have been meant for the item in sight: see guard.js.

import { uuid } from "./ids.js";
import { number, rejected } from "./sentences.js";

// Refusals after which the other tasks of the batch are not wanted either.
const BATCH_GONE = "batch_closed";

export class Labeler {
  #parts;
  #flagged = false;

  /** `parts`: queue, outbox, preloader, history, guidelines, picker, pace, batch, view, waiting, guard, stopwatch, and
   *  grids and copies where there are some. */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Show the first task of the queue or its grid, or say why there is none. `said`: what has just happened; `before`:
   *  how an answer that is taken back was: `{value, flagged, comment}`, or the tasks of a `grid` with their `states`. */
  show(said = "", { value, flagged = false, comment = "", grid, states } = {}) {
    const { queue, view, waiting, preloader, picker, batch, grids, copies, guard, stopwatch } = this.#parts;
    queue.cells = grids?.held ?? 0;
    const task = queue.current;
    this.#setFlag(flagged);
    view.comment.value = comment;
    batch.show();
    picker.reset(value, task?.item);
    if (!task) {
      copies?.show(null);
      view.showLoading();
      view.announce(said);
      waiting.start();
      return;
    }
    waiting.stop();
    queue.inGrid = grids?.show(said, grid, states) ?? false;
    if (queue.inGrid) {
      copies?.show(null);
      queue.refill();
      return;
    }
    copies?.show(task); // first: what shows the item measures the page
    view.showTask(task, preloader.loaded(task));
    guard.appeared();
    stopwatch.start();
    const place = batch.size ? `Item ${number(Math.min(batch.done + 1, batch.size))} of ${number(batch.size)}.` : "New item.";
    view.announce([said, place, task.item.proposed ?? "", picker.spoken, copies?.spoken].filter(Boolean).join(" "));
    queue.refill();
  }

  answer(value, said, revision) {
    if (!this.#parts.guard.admits()) return;
    this.#give({ said, value }, (sent) => this.#parts.outbox.answer({ ...sent, value, class_revision: revision }));
  }

  /** `proposed`: the name of a class that is missing, if there is one. */
  skip(reason, proposed = undefined, comment = "") {
    const entry = { said: `Skipped: ${reason}`, skipped: true, comment };
    this.#give(entry, (sent) => this.#parts.outbox.skip({ ...sent, reason, proposed_class: proposed }));
  }

  #give(entry, send) {
    const { queue, history, guidelines, view, pace, copies, guard, stopwatch } = this.#parts;
    if (!queue.current || !view.showsItem) return;
    const beside = entry.skipped ? {} : (copies?.answer ?? {});
    const seconds = stopwatch.seconds();
    const comment = entry.comment || view.comment.value.trim();
    const flagged = this.#flagged || Boolean(comment);
    const task = queue.shift();
    const id = uuid();
    send({ id, task: task.id, seconds, flagged, comment, guidelines_version: guidelines.version, ...beside });
    history.add({ ...entry, id, task, flagged, comment, batch: task.batch });
    if (!entry.skipped) pace.answered();
    const more = beside.same?.length ? `, also for ${number(beside.same.length)} more` : "";
    view.tell(`${entry.skipped ? entry.said : `Answered: ${entry.said}`}${more}${flagged ? ", flagged" : ""}`);
    this.show(`${entry.said}${more}.`);
    if (!this.#parts.grids?.shown) guard.answered();
  }

  /** Take back one of the last answers; its item comes back at once. */
  undo(entry = this.#parts.history.last) {
    const { queue, outbox, history, view, pace } = this.#parts;
    if (!entry) {
      view.tell("Nothing to undo. You can undo this tab's last ten answers while their batch is open.");
      view.announce("Nothing to undo.");
      return;
    }
    if (entry.grid) {
      this.#parts.grids?.undo(entry);
      return;
    }
    history.remove(entry.id);
    outbox.undo({ id: entry.id, task: entry.task.id });
    queue.unshift(entry.task);
    if (!entry.skipped) pace.undone();
    view.tell(`Undone: ${entry.said}`);
    this.show(`Undone: ${entry.said}.`, { ...entry, grid: [] });
    this.#parts.guard.known();
  }

  toggleFlag() {
    const { view } = this.#parts;
    if (!view.showsItem) return;
    this.#setFlag(!this.#flagged);
    const sentence = this.#flagged ? "Flagged: the reviewers will see it with your answer" : "No longer flagged";
    view.tell(sentence);
    view.announce(sentence);
  }

  /** Flag the item, and write why. */
  writeComment() {
    const { view } = this.#parts;
    if (!view.showsItem) return;
    if (!this.#flagged) this.toggleFlag();
    view.comment.focus();
  }

  #setFlag(on) {
    this.#flagged = on;
    this.#parts.view.showFlag(on);
  }

  /** The server did not take an answer, a skip or an undo. */
  rejected(entry, code, detail) {
    const { queue, history, view, batch } = this.#parts;
    history.remove(entry.id);
    const sentence = rejected(code, detail);
    view.tell(sentence);
    view.announce(sentence);
    const before = queue.current;
    if (code === BATCH_GONE) queue.clear();
    else if (entry.type === "undo") queue.drop(entry.task);
    else queue.refused(entry.task);
    if (queue.current !== before) this.show(sentence);
    batch.refresh();
  }

  /** These tasks, of which some are on the screen, went to somebody else, because their lease had run out. */
  lost(ids) {
    const { view, grids } = this.#parts;
    const sentence = "Items that were left open for too long went to somebody else.";
    view.tell(sentence);
    if (!grids?.shown || !grids.lost(ids)) this.show(sentence);
  }
}
