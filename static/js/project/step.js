// The background step under way: a line and a bar.

export function showStep({ phase, share, detail, seconds_left: seconds, step_seconds_left: own }) {
  document.querySelector("#step").hidden = !phase;
  if (!phase) return;
  const parts = [phase];
  if (share) parts.push(`${Math.round(100 * share)}\u00a0%`);
  if (detail) parts.push(detail);
  if (seconds !== null) parts.push(`next batch in about ${left(seconds)}`);
  else if (own !== null) parts.push(`about ${left(own)} left`);
  document.querySelector("#step-text").textContent = parts.join(" · ");
  const bar = document.querySelector("#step-bar");
  if (share) bar.value = share;
  else bar.removeAttribute("value");
}

function left(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))}\u00a0s` : `${Math.round(seconds / 60)}\u00a0min`;
}
