// Numbers as people say them.

export function count(n, one) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : `${one}s`}`;
}

export function megabytes(bytes) {
  if (bytes < 2 ** 20) return `${Math.max(1, Math.round(bytes / 2 ** 10))}\u00a0kB`;
  return `${(bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 1 })}\u00a0MB`;
}

export function left(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))}\u00a0s` : `${Math.round(seconds / 60)}\u00a0min`;
}
