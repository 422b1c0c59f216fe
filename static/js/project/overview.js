// Where the loop is, live: figures move at once, everything else is exchanged when the batch, its state or the loop
// has changed.

import { refresh, repeat } from "./live.js";

const BUSY_MS = 1_500;
const CALM_MS = 5_000;
// Counts and tables need not follow each single answer.
const TABLES_MS = 15_000;

let lastExchange = Date.now();
let remaining = null;
let wasBusy = !document.querySelector("#step").hidden;

repeat(look, BUSY_MS);

async function look() {
  const loop = document.querySelector("#loop");
  let progress;
  try {
    const response = await fetch(loop.dataset.progress, { credentials: "same-origin" });
    if (!response.ok) return CALM_MS;
    progress = await response.json();
  } catch {
    return CALM_MS;
  }
  const busy = Boolean(progress.phase);
  const turned = ["batch", "state", "loop"].some((name) => loop.dataset[name] !== String(progress[name] ?? ""));
  const moved = remaining !== null && remaining !== progress.remaining;
  remaining = progress.remaining;
  if (turned || busy !== wasBusy || (moved && Date.now() - lastExchange > TABLES_MS)) {
    lastExchange = Date.now();
    await refresh("loop", "numbers", "recent");
  }
  wasBusy = busy;
  showAnswered(progress);
  showStep(progress);
  return busy ? BUSY_MS : CALM_MS;
}

function showAnswered({ size, remaining }) {
  const bar = document.querySelector("#answered-bar");
  if (!bar || !size) return;
  bar.value = size - remaining;
  const done = (size - remaining).toLocaleString("en");
  document.querySelector("#answered").textContent = `${done} of ${size.toLocaleString("en")} answered`;
}

function showStep({ phase, share, seconds_left: seconds }) {
  document.querySelector("#step").hidden = !phase;
  if (!phase) return;
  const parts = [phase];
  if (share) parts.push(`${Math.round(100 * share)}\u00a0%`);
  if (seconds !== null) parts.push(`next batch in about ${left(seconds)}`);
  document.querySelector("#step-text").textContent = parts.join(" · ");
  const bar = document.querySelector("#step-bar");
  if (share) bar.value = share;
  else bar.removeAttribute("value");
}

function left(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))}\u00a0s` : `${Math.round(seconds / 60)}\u00a0min`;
}
