// Numbers as people say them.

import { gettext, ngettext as counted, number } from "../words.js";

/** The number with its noun: "1,797 images". `scripts/messages.py` extracts the nouns. */
export function count(n, one) {
  return counted(`{n} ${one}`, `{n} ${one}s`, n);
}

export function megabytes(bytes) {
  if (bytes < 2 ** 20) return `${number(Math.max(1, Math.round(bytes / 2 ** 10)))}\u00a0kB`;
  return `${number(bytes / 2 ** 20, { maximumFractionDigits: 1 })}\u00a0MB`;
}

export function left(seconds) {
  if (seconds < 90) return gettext("{n} s", { n: Math.max(1, Math.round(seconds)) });
  return gettext("{n} min", { n: Math.round(seconds / 60) });
}
