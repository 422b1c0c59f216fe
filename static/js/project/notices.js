// Leads to what a page has to tell (an error, a link shown once), and copies secrets.

import { gettext } from "../words.js";

document.querySelector("[data-focus]")?.focus();

for (const button of document.querySelectorAll("[data-copy]")) {
  const secret = document.getElementById(button.dataset.copy);
  secret.addEventListener("focus", () => secret.select?.()); // a field is copied by hand, too
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.textContent = (await copied(secret)) ? gettext("Copied") : gettext("Selected: press Ctrl+C");
  });
}

/** Whether the text is in the clipboard now. If not, it is selected. */
async function copied(secret) {
  try {
    await navigator.clipboard.writeText(secret.value ?? secret.textContent);
    return true;
  } catch {
    // The browser refuses, or has no clipboard for pages over plain HTTP: their selection can be copied all the same.
    if (secret.select) secret.select();
    else getSelection().selectAllChildren(secret);
    return document.execCommand("copy");
  }
}
