// Where the loop is, live: the step under way moves at once, everything else is exchanged when something has changed.

import { refresh, repeat } from "./live.js";
import { showStep } from "./step.js";

const BUSY_MS = 1_500;
const CALM_MS = 3_000;
// Who holds what, and how long it will take, changes without an answer.
const WATCH_MS = 15_000;

let wasBusy = !document.querySelector("#step").hidden;
let refreshed = Date.now();

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
  const shown = ["batch", "state", "loop", "remaining"];
  const changed = shown.some((name) => loop.dataset[name] !== String(progress[name] ?? ""));
  const due = "watched" in loop.dataset && Date.now() - refreshed > WATCH_MS;
  if (changed || due || busy !== wasBusy) {
    await refresh("finished", "loop", "people", "numbers", "recent");
    refreshed = Date.now();
  }
  wasBusy = busy;
  showStep(progress);
  return busy ? BUSY_MS : CALM_MS;
}
