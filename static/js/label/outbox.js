// What the server has yet to hear: answers, skips and undos, sent in the order in which they were given.
//
// An entry leaves the log only when the server has taken or refused it. Sent twice, it counts once: the id is made
// here. Failures are retried with back-off, and at once when the network comes back.

import { Refused, SignedOut } from "./api.js";

const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const MAX_ANSWERS = 100;
// Refusals of a whole request that say nothing about the answers in it: keep them, and ask again later.
const KEEP = new Set([401, 403, 404]);

export class Outbox {
  /** Why the last attempt failed: "", "unreachable", "signed-out" or "forbidden". */
  trouble = "";
  /** Requests that were begun, and whether one is under way: what the server counts meanwhile is in flux. */
  sends = 0;
  sending = false;
  onchange = () => {};
  onaccepted = () => {};
  /** Called with how often the classes have been changed, by the server's reply. */
  onclasses = () => {};
  /** Called with the entry, a code and a sentence. */
  onrejected = () => {};

  #store;
  #api;
  #tried = new Set();
  #failures = 0;
  #timer = null;
  #running = null;
  #underway = new Set();
  #active = true;

  constructor(store, api) {
    this.#store = store;
    this.#api = api;
    for (const [key] of store.list()) this.#tried.add(key);
    addEventListener("online", () => this.retryNow());
  }

  get durable() {
    return this.#store.durable;
  }

  /** Answers and skips that have not been taken yet, and that still stand. */
  get unsent() {
    const entries = this.#store.list().map(([, entry]) => entry);
    const undone = new Set(entries.filter((entry) => entry.type === "undo").map((entry) => entry.id));
    return entries.filter((entry) => entry.type !== "undo" && !undone.has(entry.id)).length;
  }

  /** By how many answers the server's count will grow when all is sent. */
  get balance() {
    return this.#store.list().reduce((sum, [, entry]) => sum + (entry.type === "undo" ? -1 : 1), 0);
  }

  /** Tasks that must not be shown again, because an answer to them is on its way. */
  answeredTasks() {
    const tasks = new Set();
    for (const [, entry] of this.#store.list()) {
      if (entry.type === "undo") tasks.delete(entry.task);
      else tasks.add(entry.task);
    }
    return tasks;
  }

  /** Tasks that the server still takes for answered, although their answer was taken back here. */
  undoneTasks() {
    return new Set(this.#store.list().filter(([, entry]) => entry.type === "undo").map(([, entry]) => entry.task));
  }

  /** `entry`: as the API takes it. */
  answer(entry) {
    this.#add({ type: "answer", ...entry });
  }

  /** Answers that were given at once, and go out in one request. */
  answerAll(entries) {
    for (const entry of entries) this.#store.add({ type: "answer", ...entry });
    this.#added();
  }

  skip(entry) {
    this.#add({ type: "skip", ...entry });
  }

  /** Take back an answer or skip. One that was never sent just leaves the log. */
  undo(entry) {
    this.undoAll([entry]);
  }

  /** Take back answers that were given at once. */
  undoAll(entries) {
    const unsent = new Map(
      this.#store.list().flatMap(([key, entry]) => (entry.type === "undo" || this.#tried.has(key) ? [] : [[entry.id, key]])),
    );
    for (const { id, task } of entries) {
      if (unsent.has(id)) this.#store.remove(unsent.get(id));
      else this.#store.add({ type: "undo", id, task });
    }
    this.#added();
  }

  #add(entry) {
    this.#store.add(entry);
    this.#added();
  }

  #added() {
    this.onchange();
    if (!this.trouble) this.flush();
  }

  /** Stop sending: another tab does it now. */
  stop() {
    this.#active = false;
    clearTimeout(this.#timer);
  }

  start() {
    this.#active = true;
    return this.retryNow();
  }

  /** Try again now rather than when the back-off says. */
  retryNow() {
    clearTimeout(this.#timer);
    this.#failures = 0;
    return this.flush();
  }

  /** Send all there is. Resolves when the log is empty or an attempt has failed; never rejects. */
  flush() {
    this.#running ??= this.#drain().finally(() => {
      this.#running = null;
      this.onchange();
    });
    return this.#running;
  }

  /**
   * The page is being closed and no longer waits for replies: send what has not gone out. It stays in the log until
   * the server's word is heard, and sent twice it counts once. What follows an undo waits for the next visit, for requests
   * side by side may arrive in any order.
   */
  leave() {
    if (!this.#active || this.trouble) return;
    const entries = this.#store.list();
    const undo = entries.findIndex(([, entry]) => entry.type === "undo");
    let left = (undo < 0 ? entries : entries.slice(0, undo)).filter(([key]) => !this.#underway.has(key));
    while (left.length) {
      const group = nextGroup(left);
      this.#post(group).catch(() => {});
      left = left.slice(group.length);
    }
  }

  async #drain() {
    while (this.#active) {
      const group = nextGroup(this.#store.list());
      if (!group.length) return this.#succeeded();
      for (const [key] of group) this.#tried.add(key);
      this.#underway = new Set(group.map(([key]) => key));
      this.sends += 1;
      this.sending = true;
      try {
        await this.#send(group);
      } catch (error) {
        if (error instanceof Refused && !KEEP.has(error.status)) {
          for (const [key, entry] of group) this.#settle(key, entry, error);
        } else {
          return this.#failed(error);
        }
      } finally {
        this.sending = false;
        this.#underway.clear();
      }
      this.#succeeded();
    }
  }

  async #send(group) {
    const [[key, entry]] = group;
    if (entry.type === "undo") {
      await this.#undo(entry);
      this.#settle(key, entry);
      return;
    }
    const outcome = await this.#post(group);
    this.onclasses(outcome.class_revision);
    const refusals = new Map(outcome.rejected.map((refusal) => [refusal.id, refusal]));
    const accepted = new Set(outcome.accepted);
    for (const [eachKey, each] of group) {
      if (accepted.has(each.id)) this.#settle(eachKey, each);
      else if (refusals.has(each.id)) this.#settle(eachKey, each, refusals.get(each.id));
    }
  }

  /** One skip, or answers. */
  #post(group) {
    const [[, entry]] = group;
    if (entry.type === "skip") return this.#api.skip(without(entry, "type"));
    return this.#api.answer(group.map(([, each]) => without(each, "type")));
  }

  async #undo(entry) {
    try {
      await this.#api.undo(entry.id);
    } catch (error) {
      // It never arrived, or was taken back by an earlier attempt whose reply was lost: either way it is gone.
      if (!(error instanceof Refused && ["not_found", "undone"].includes(error.code))) throw error;
    }
  }

  /** The server has taken the entry, or said why it does not. Silent if another tab has settled it before. */
  #settle(key, entry, refusal) {
    this.#tried.delete(key);
    if (!this.#store.remove(key)) return;
    if (refusal) this.onrejected(entry, refusal.code, refusal.detail ?? refusal.message);
    else this.onaccepted(entry);
  }

  #succeeded() {
    this.#failures = 0;
    this.trouble = "";
    this.onchange();
  }

  #failed(error) {
    if (error instanceof SignedOut) this.trouble = "signed-out";
    else this.trouble = error instanceof Refused ? "forbidden" : "unreachable";
    const delay = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)];
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), delay * (0.8 + 0.4 * Math.random()));
    this.onchange();
  }
}

/** The entries that one request can carry: answers up to the first entry of another type, or one skip, or one undo. */
function nextGroup(entries) {
  if (!entries.length || entries[0][1].type !== "answer") return entries.slice(0, 1);
  const end = entries.findIndex(([, entry]) => entry.type !== "answer");
  return entries.slice(0, Math.min(end < 0 ? entries.length : end, MAX_ANSWERS));
}

function without(entry, name) {
  const copy = { ...entry };
  delete copy[name];
  return copy;
}
