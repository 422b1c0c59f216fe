// One's own pace: answers a minute lately, and answers today.

import { ngettext } from "../words.js";

const RECENT = 20;
const ENOUGH = 5;
// A longer gap is a break, not an answer that took long.
const BREAK_MS = 60_000;

// More are answered only in grids, where a figure a minute means little.
const FASTEST = 120;

/** Answers a minute over the last acts (`at` in ms, `answers`), breaks left out; null while it would mean little. */
function perMinute(acts) {
  let spent = 0;
  let answered = 0;
  for (let i = 1; i < acts.length; i++) {
    const gap = acts[i].at - acts[i - 1].at;
    if (gap > BREAK_MS) continue;
    spent += gap;
    answered += acts[i].answers;
  }
  const rate = Math.round((answered * 60_000) / spent);
  return answered >= ENOUGH && rate <= FASTEST ? rate : null;
}

export class Pace {
  #acts = [];
  #today = null;
  #place = document.querySelector("#pace");

  /** Fetch today's count, from midnight where the person is. */
  async start(api) {
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    try {
      this.#today = (await api.answersSince(midnight)) + this.#acts.reduce((sum, act) => sum + act.answers, 0);
    } catch {
      this.#today = null; // a figure that can be done without
    }
    this.#show();
  }

  /** So many items were answered by one act. */
  answered(answers = 1) {
    this.#acts = [...this.#acts, { at: performance.now(), answers }].slice(-RECENT);
    if (this.#today !== null) this.#today += answers;
    this.#show();
  }

  undone(answers = 1) {
    this.#acts.pop();
    if (this.#today) this.#today = Math.max(0, this.#today - answers);
    this.#show();
  }

  #show() {
    const rate = perMinute(this.#acts);
    const parts = [
      rate === null ? "" : ngettext("{n} a minute", "{n} a minute", rate),
      this.#today ? ngettext("{n} today", "{n} today", this.#today) : "",
    ];
    this.#place.textContent = parts.filter(Boolean).join(" · ");
  }
}

/** Measures how long an item was in sight: the time that the tab was hidden does not count. */
export class Stopwatch {
  #since = 0;
  #before = 0;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#before += performance.now() - this.#since;
      this.#since = performance.now();
    });
  }

  start() {
    this.#before = 0;
    this.#since = performance.now();
  }

  seconds() {
    const running = document.hidden ? 0 : performance.now() - this.#since;
    return Math.round(this.#before + running) / 1000;
  }
}
