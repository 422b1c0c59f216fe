// Who signs out leaves no items behind in this browser, nor does a session that ended, by the time that somebody signs in.

import { forgetAllBut } from "./kept.js";

if ("caches" in globalThis) {
  const form = document.querySelector("#sign-out");
  if (form) form.addEventListener("submit", () => forgetAllBut(null));
  else forgetAllBut(null);
}
