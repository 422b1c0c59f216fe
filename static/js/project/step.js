// The background step under way: a line and a bar.

import { gettext, phaseInWords } from "../words.js";

export function showStep({ phase, share, detail, retry_at: retry, seconds_left: seconds, step_seconds_left: own }) {
  document.querySelector("#step").hidden = !phase;
  if (!phase) return;
  const parts = [phaseInWords(phase)];
  if (share) parts.push(`${Math.round(100 * share)}\u00a0%`);
  if (detail) parts.push(detail);
  if (retry) parts.push(gettext("tried again in about {time}", { time: left((new Date(retry) - Date.now()) / 1000) }));
  if (seconds !== null) parts.push(gettext("next batch in about {time}", { time: left(seconds) }));
  else if (own !== null) parts.push(gettext("about {time} left", { time: left(own) }));
  document.querySelector("#step-text").textContent = parts.join(" · ");
  const bar = document.querySelector("#step-bar");
  if (share) bar.value = share;
  else bar.removeAttribute("value");
}

function left(seconds) {
  if (seconds < 90) return gettext("{n} s", { n: Math.max(1, Math.round(seconds)) });
  return gettext("{n} min", { n: Math.round(seconds / 60) });
}
