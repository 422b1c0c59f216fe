// A request under way, such as a prediction: the page's part is exchanged until it is finished.

import { refresh, repeat } from "./live.js";

const BUSY_MS = 1_500;
const CALM_MS = 60_000;

const unfinished = () => "unfinished" in document.querySelector("#run").dataset;

if (unfinished()) repeat(look, BUSY_MS);

async function look() {
  if (unfinished()) await refresh("run");
  return unfinished() ? BUSY_MS : CALM_MS;
}
