// Follows the imports and the encoding that are under way: figures move at once, the list is exchanged when a state changes.

import { gettext, number } from "../words.js";
import { left } from "./import-words.js";
import { refresh, repeat } from "./live.js";

const BUSY_MS = 1_000;
const CALM_MS = 4_000;
const WINDOW_MS = 15_000; // the speed is that of this time

const samples = new Map(); // of each thing under way: [when, how many]

export function follow() {
  repeat(look, BUSY_MS);
}

async function look() {
  const list = document.querySelector("#imports");
  if (!list) return CALM_MS;
  let now;
  try {
    const response = await fetch(list.dataset.progress, { credentials: "same-origin" });
    if (!response.ok) return CALM_MS;
    now = await response.json();
  } catch {
    return CALM_MS;
  }
  if (now.states !== list.dataset.states) await refresh("imports");
  for (const each of now.steps) show(each);
  return now.steps.length ? BUSY_MS : CALM_MS;
}

/** `step` is what the server says of one: its id, phase, share, and how many are done of how many. */
function show(step) {
  const row = document.getElementById(step.id);
  const text = row?.querySelector(".step-text");
  if (!text) return; // the list is of a moment before: the next look exchanges it
  const speed = measure(step);
  const parts = [step.phase];
  if (step.total) parts.push(gettext("{n} of {all}", { n: number(step.done), all: number(step.total) }));
  else if (step.share) parts.push(`${Math.floor(100 * step.share)}\u00a0%`);
  if (speed.items >= 0.1) parts.push(gettext("{n} items/s", { n: round(speed.items) }));
  if (speed.share > 0) parts.push(gettext("{time} left", { time: left((1 - step.share) / speed.share) }));
  text.textContent = parts.join(" · ");
  const bar = row.querySelector("progress");
  if (step.share) bar.value = step.share;
  else bar.removeAttribute("value");
}

/** Items and share a second, over the last few seconds. */
function measure({ id, done, share }) {
  const now = performance.now();
  const past = (samples.get(id) ?? []).filter(([at]) => now - at < WINDOW_MS);
  past.push([now, done, share]);
  samples.set(id, past);
  const [at, doneThen, shareThen] = past[0];
  const seconds = (now - at) / 1000;
  return seconds < 1 ? { items: 0, share: 0 } : { items: (done - doneThen) / seconds, share: (share - shareThen) / seconds };
}

function round(n) {
  return number(n, n < 10 ? { minimumFractionDigits: 1, maximumFractionDigits: 1 } : { maximumFractionDigits: 0 });
}
