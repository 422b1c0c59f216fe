// One's own pace: answers a minute lately, and answers today.

import { number } from "./sentences.js";

const RECENT = 20;
const ENOUGH = 5;
// A longer gap is a break, not an answer that took long.
const BREAK_MS = 60_000;

/** Answers a minute over the last times (in ms), breaks left out; null while too few are known. */
export function perMinute(times) {
  let spent = 0;
  let answered = 0;
  for (let i = 1; i < times.length; i++) {
    const gap = times[i] - times[i - 1];
    if (gap > BREAK_MS) continue;
    spent += gap;
    answered += 1;
  }
  return answered >= ENOUGH && spent > 0 ? Math.round((answered * 60_000) / spent) : null;
}

export class Pace {
  #times = [];
  #today = null;
  #place = document.querySelector("#pace");

  /** Fetch today's count, from midnight where the person is. */
  async start(api) {
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    try {
      this.#today = (await api.answersSince(midnight)) + this.#times.length;
    } catch {
      this.#today = null; // a figure that can be done without
    }
    this.#show();
  }

  answered() {
    this.#times = [...this.#times, performance.now()].slice(-RECENT);
    if (this.#today !== null) this.#today += 1;
    this.#show();
  }

  undone() {
    this.#times.pop();
    if (this.#today) this.#today -= 1;
    this.#show();
  }

  #show() {
    const rate = perMinute(this.#times);
    const parts = [rate === null ? "" : `${rate} a minute`, this.#today ? `${number(this.#today)} today` : ""];
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
