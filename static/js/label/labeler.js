// What happens when somebody answers, skips, takes back or flags. Always at once: the server hears of it afterwards.
// An answer is taken only from a gesture that can have been meant for the item in sight: see guard.js.

import { Guard } from "./guard.js";
import { Stopwatch } from "./pace.js";
import { number, rejected } from "./sentences.js";

// Refusals after which the other tasks of the batch are not wanted either.
const BATCH_GONE = "batch_closed";

export class Labeler {
  #parts;
  #flagged = false;
  #guard = new Guard();
  #stopwatch = new Stopwatch();

  /** `parts`: queue, outbox, preloader, history, guidelines, picker, pace, batch, view, waiting. */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Show the first task of the queue, or say why there is none. `said`: what has just happened. */
  show(said = "", value = undefined, flagged = false, comment = "") {
    const { queue, view, waiting, preloader, picker, batch } = this.#parts;
    const task = queue.current;
    this.#setFlag(flagged);
    view.comment.value = comment;
    batch.show();
    picker.reset(value);
    if (!task) {
      view.showLoading();
      view.announce(said);
      waiting.start();
      return;
    }
    waiting.stop();
    view.showTask(task, preloader.loaded(task));
    this.#guard.appeared();
    this.#stopwatch.start();
    const place = batch.size ? `Item ${number(Math.min(batch.done + 1, batch.size))} of ${number(batch.size)}.` : "New item.";
    view.announce([said, place, task.item.proposed ?? ""].filter(Boolean).join(" "));
    queue.refill();
  }

  answer(value, said, revision) {
    if (!this.#guard.admits()) return;
    this.#give({ said, value }, (sent) => this.#parts.outbox.answer({ ...sent, value, class_revision: revision }));
  }

  /** `proposed`: the name of a class that is missing, if there is one. */
  skip(reason, proposed = undefined, comment = "") {
    const entry = { said: `Skipped: ${reason}`, skipped: true, comment };
    this.#give(entry, (sent) => this.#parts.outbox.skip({ ...sent, reason, proposed_class: proposed }));
  }

  #give(entry, send) {
    const { queue, history, guidelines, view, pace } = this.#parts;
    if (!queue.current || !view.showsItem) return;
    const seconds = this.#stopwatch.seconds();
    const comment = entry.comment || view.comment.value.trim();
    const flagged = this.#flagged || Boolean(comment);
    const task = queue.shift();
    const id = uuid();
    send({ id, task: task.id, seconds, flagged, comment, guidelines_version: guidelines.version });
    history.add({ ...entry, id, task, flagged, comment, batch: task.batch });
    if (!entry.skipped) pace.answered();
    view.tell(`${entry.skipped ? entry.said : `Answered: ${entry.said}`}${flagged ? ", flagged" : ""}`);
    this.show(`${entry.said}.`);
    this.#guard.answered();
  }

  /** Take back one of the last answers; its item comes back at once. */
  undo(entry = this.#parts.history.last) {
    const { queue, outbox, history, view, pace } = this.#parts;
    if (!entry) {
      view.tell("Nothing to take back here: that goes for this tab's last ten answers, while their batch is open.");
      view.announce("Nothing to take back here.");
      return;
    }
    history.remove(entry.id);
    outbox.undo({ id: entry.id, task: entry.task.id });
    queue.unshift(entry.task);
    if (!entry.skipped) pace.undone();
    view.tell(`Taken back: ${entry.said}`);
    this.show(`Taken back: ${entry.said}.`, entry.value, entry.flagged, entry.comment);
    this.#guard.known();
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

  /** The item on the screen went to somebody else, because its lease had run out. */
  lost() {
    const sentence = "That item went to somebody else, because it was left for long.";
    this.#parts.view.tell(sentence);
    this.show(sentence);
  }
}

/** A random version 4 UUID; `crypto.randomUUID` is missing where the page comes without TLS. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
