// Leads to what a page has to tell (an error, a link shown once), and copies secrets.

document.querySelector("[data-focus]")?.focus();

for (const button of document.querySelectorAll("[data-copy]")) {
  const secret = document.getElementById(button.dataset.copy);
  secret.addEventListener("focus", () => secret.select?.()); // a field is copied by hand, too
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(secret.value ?? secret.textContent);
    button.textContent = "Copied";
  });
}
