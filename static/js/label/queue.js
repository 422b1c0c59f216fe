// Tasks that were claimed ahead. The first is the one on the screen; the server knows which are ours.

import { Refused, SignedOut } from "./api.js";
import { named } from "./classes.js";

// Fewer than this many ahead, or than half of those that the server lets us hold: ask for more.
const LOW = 5;
// Near a batch's end others may be given what we hold behind the next item: with so many times what is kept ready left,
// ask whenever a tenth of it is answered what is still ours.
const NEAR_END = 10;
// The item on the screen and the next nine are drawn ahead.
export const DRAWN = 10;
// A grid asks for more while fewer than half of its cells and so many more are held.
const BESIDE_GRID = 10;
const MAX_CLAIM = 200;
// When the server had none that are new, ask again only after this long, unless nothing is left.
const DRY_MS = 5_000;
const MIN_LEASE_CHECK_MS = 1_000;

export class TaskQueue {
  tasks = [];
  /** In grids: how many tasks are held, those of the grid on the screen and the next. 0: one item at a time. */
  cells = 0;
  /** Whether a grid is on the screen. */
  inGrid = false;
  /** Number of the batch that the last claim's first task is in, those that take answers, and why there was no task. */
  batch = null;
  openBatches = [];
  /** How often the classes had been changed by then. */
  classRevision = null;
  /** The number of the guidelines by then. */
  guidelinesVersion = null;
  reason = "";
  /** How many answers a day are reached, and when the next items are free; null if they are not. */
  limit = null;
  /** Why the last claim failed: "", "unreachable", "signed-out" or "forbidden". */
  trouble = "";
  /** Whether the tasks are those of an earlier visit, and the server has not been asked since. */
  restored = false;
  onchange = () => {};
  onlost = () => {};

  #api;
  #outbox;
  #preloader;
  #leaseMs;
  #keptReady;
  #claimed = 0; // tasks that were held after the last claim
  #answered = new Set();
  #claiming = null;
  #claimedAt = -Infinity;
  #leaseEndsAt = Infinity;
  #lastClaim = null;
  #dryAt = -Infinity;
  #remaining = Infinity;
  #lastUse = Date.now();
  #renamed = new Map(); // our tasks by the last claim

  /** `keptReady`: how many tasks are held, the one on the screen included. */
  constructor({ api, outbox, preloader, leaseSeconds, keptReady }) {
    this.#api = api;
    this.#outbox = outbox;
    this.#preloader = preloader;
    this.#leaseMs = leaseSeconds * 1000;
    this.#keptReady = keptReady;
    setInterval(() => this.#renewIfUsed(), Math.max(MIN_LEASE_CHECK_MS, Math.min(this.#leaseMs / 4, 15_000)));
    for (const event of ["keydown", "pointerdown"]) {
      addEventListener(event, () => this.used(), { capture: true, passive: true });
    }
  }

  get current() {
    return this.tasks[0] ?? null;
  }

  /** Take the current task off: it is answered. */
  shift() {
    const task = this.tasks.shift();
    this.#answered.add(task.id);
    this.#preload();
    return task;
  }

  /** Put a task back in front of the others: its answer was taken back. */
  unshift(task) {
    this.#answered.delete(task.id);
    this.tasks.unshift(task);
    this.#preload();
  }

  /** These tasks are answered, all at once; those that are to be asked alone come next. */
  answeredAll(tasks, alone) {
    const gone = new Set([...tasks, ...alone].map((task) => task.id));
    for (const task of tasks) this.#answered.add(task.id);
    this.tasks = [...alone, ...this.tasks.filter((task) => !gone.has(task.id))];
    this.#preload();
  }

  /** Put tasks back in front of the others: their answers were taken back, if they had any. */
  putBack(tasks) {
    const back = new Set(tasks.map((task) => task.id));
    for (const id of back) this.#answered.delete(id);
    this.tasks = [...tasks, ...this.tasks.filter((task) => !back.has(task.id))];
    this.#preload();
  }

  /** Drop a task that is no longer ours. */
  drop(taskId) {
    this.tasks = this.tasks.filter((task) => task.id !== taskId);
    this.#preload();
  }

  /** The answer to this task did not count: should it come again, it is to be shown. */
  refused(taskId) {
    this.#answered.delete(taskId);
  }

  clear() {
    this.tasks = [];
    this.#preload();
  }

  /** The server cannot be reached: go on with what was ours when it last could. */
  restore(tasks) {
    const onTheirWay = this.#outbox.answeredTasks();
    this.tasks = tasks.filter((task) => !onTheirWay.has(task.id));
    this.restored = true;
    this.#claiming?.then(() => this.claim()); // the claim under way does not know them
    this.#preload();
    this.onchange();
  }

  /** Ask for more if few are left. Resolves when there is nothing to wait for; never rejects. */
  refill() {
    const dry = Date.now() - this.#dryAt < DRY_MS;
    if (this.tasks.length && (dry || this.tasks.length > this.#enough)) return Promise.resolve();
    return this.claim();
  }

  get #enough() {
    if (this.inGrid) return this.cells / 2 + BESIDE_GRID;
    if (this.#remaining < NEAR_END * this.#keptReady) return this.#claimed - Math.max(1, Math.floor(this.#claimed / 10));
    return Math.max(LOW, Math.min(this.#claimed, this.#keptReady) / 2);
  }

  /** An answer was taken: there is room for another task, and leases can be renewed. */
  answered() {
    this.#dryAt = -Infinity;
    this.#renewIfUsed();
    // The grid that was sent has made room for another.
    if (this.inGrid && !this.#outbox.answeredTasks().size) this.refill();
  }

  /** Ask the server for our tasks, which also renews their leases while answers come, and for more. */
  claim() {
    this.#claiming ??= this.#claim().finally(() => (this.#claiming = null));
    return this.#claiming;
  }

  /** The person is here: leases are worth renewing, and those that ran out meanwhile must be looked after at once. */
  used() {
    const now = Date.now();
    this.#lastUse = now;
    if (this.tasks.length && now - this.#claimedAt > this.#leaseMs) this.claim();
  }

  /** The page is being left: others may have what is not answered. The answers themselves are not touched. */
  release() {
    const held = this.tasks.map((task) => task.id);
    if (held.length && this.#lastClaim) this.#api.release(held, this.#lastClaim).catch(() => {});
  }

  async #claim() {
    const before = new Set(this.tasks.map((task) => task.id));
    const undone = this.#outbox.undoneTasks();
    // Our unanswered tasks come first, and the server counts those whose answers are on their way among them.
    const count = Math.min(MAX_CLAIM, Math.max(this.cells || this.#keptReady, this.tasks.length) + this.#outbox.answeredTasks().size);
    const askedAt = Date.now();
    let reply;
    try {
      reply = await this.#api.claim(count, this.cells > 0);
    } catch (error) {
      if (error instanceof SignedOut) this.trouble = "signed-out";
      else this.trouble = error instanceof Refused ? "forbidden" : "unreachable";
      this.onchange();
      return;
    }
    this.trouble = "";
    this.restored = false;
    this.#claimedAt = askedAt;
    this.#lastClaim = reply.claimed_at ?? this.#lastClaim;
    // By the server's clock alone: this machine's may be wrong.
    const lease = Date.parse(reply.lease_expires_at) - Date.parse(reply.claimed_at);
    if (reply.tasks.length) this.#leaseEndsAt = askedAt + lease;
    if (reply.tasks.length) this.#remaining = reply.remaining;
    this.batch = reply.batch ?? this.batch;
    this.openBatches = reply.open_batches ?? [];
    this.classRevision = reply.class_revision;
    this.guidelinesVersion = reply.guidelines_version;
    this.reason = reply.reason ?? "";
    this.limit = reply.limit ?? null;
    // A full reply may leave out some that are ours.
    const lost = reply.tasks.length < MAX_CLAIM ? this.#dropLost(reply.tasks, before, undone) : [];
    this.#dryAt = this.#take(reply.tasks, reply.class_revision) ? -Infinity : Date.now();
    this.#claimed = this.tasks.length;
    this.onchange();
    if (lost.length) this.onlost(lost);
  }

  /** Drop what we held when we asked and no longer do. A batch that is paused or gone leaves us what we have. */
  #dropLost(claimed, before, undone) {
    if (this.reason && !["all_taken", "kept_for_others", "limit_reached"].includes(this.reason)) return [];
    const ours = new Set(claimed.map((task) => task.id));
    const lost = this.tasks.filter((task) => before.has(task.id) && !ours.has(task.id) && !undone.has(task.id));
    for (const task of lost) this.drop(task.id);
    return lost;
  }

  /** Call the classes of the tasks by the names that the last claim had. */
  rename() {
    for (const task of this.tasks) {
      const fresh = this.#renamed.get(task.id);
      if (fresh) Object.assign(task, { item: { ...task.item, ...named(fresh.item) }, classRevision: fresh.classRevision });
    }
    this.#renamed.clear();
  }

  /** Put what is new behind the others. Returns how many that were. `classRevision`: by which their classes are called. */
  #take(claimed, classRevision) {
    const before = this.tasks.length;
    const known = new Set(this.tasks.map((task) => task.id));
    this.#renamed = new Map(claimed.map((task) => [task.id, { ...task, classRevision }]));
    const onTheirWay = this.#outbox.answeredTasks();
    for (const task of claimed) {
      if (!known.has(task.id) && !onTheirWay.has(task.id) && !this.#answered.has(task.id)) {
        this.tasks.push({ ...task, classRevision });
      }
    }
    this.#preload();
    return this.tasks.length - before;
  }

  #preload() {
    this.#preloader.keep(this.cells ? this.tasks : this.tasks.slice(0, DRAWN), this.cells === 0);
  }

  #renewIfUsed() {
    const now = Date.now();
    const inUse = !document.hidden && now - this.#lastUse < Math.max(this.#leaseMs, 120_000);
    if (this.tasks.length && inUse && now > this.#leaseEndsAt - this.#leaseMs / 2) this.claim();
  }
}
