// Passkeys: the button asks the browser for one, and the form sends it.

import { gettext } from "./words.js";

const form = document.querySelector("form[data-passkey]");
const told = document.getElementById("passkey-told");
const options = JSON.parse(document.getElementById("passkey-options").textContent);
const creates = form.dataset.passkey === "create";

const ask = form.querySelector("[data-ask]");

ask.addEventListener("click", async () => {
  told.textContent = "";
  try {
    const credential = creates
      ? await navigator.credentials.create({
          publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options.creation_options.publicKey),
        })
      : await navigator.credentials.get({
          publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.request_options.publicKey),
        });
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch {
    told.textContent = gettext("The browser did not return a passkey. Try again, or use another way.");
  }
});

if (window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
  ask.disabled = false; // until here a click would do nothing
} else {
  told.textContent = gettext("Passkeys are not available here. They need HTTPS and a recent browser.");
}
