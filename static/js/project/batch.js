// A batch that is being trained on or picked: the step moves at once, the rest is exchanged when the batch moves on.

import { refresh, repeat } from "./live.js";
import { showStep } from "./step.js";

const BUSY_MS = 1_500;
const CALM_MS = 5_000;

repeat(look, BUSY_MS);

async function look() {
  const batch = document.querySelector("#batch");
  let progress;
  try {
    const response = await fetch(batch.dataset.progress, { credentials: "same-origin" });
    if (!response.ok) return CALM_MS;
    progress = await response.json();
  } catch {
    return CALM_MS;
  }
  const own = String(progress.batch) === batch.dataset.number;
  if (!own || progress.state !== batch.dataset.state) await refresh("batch");
  showStep(own ? progress : { phase: "" });
  return progress.phase ? BUSY_MS : CALM_MS;
}
