// Proposes an address from the project's name until somebody writes one.

const name = document.querySelector("#id_name");
const slug = document.querySelector("#id_slug");
let proposed = slug.value === "" || slug.value === proposal(name.value);

// What was typed before this file arrived counts too.
if (slug.value === "") slug.value = proposal(name.value);

name.addEventListener("input", () => {
  if (proposed) slug.value = proposal(name.value);
});
slug.addEventListener("input", () => {
  proposed = slug.value === "";
});

/** As the server does it: Latin letters without accents and digits, words with hyphens between them. */
function proposal(text) {
  return text
    .normalize("NFKD")
    .replace(/[^\x20-\x7e]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9 _-]/g, "")
    .trim()
    .replace(/[ _-]+/g, "-")
    .slice(0, 60)
    .replace(/^-+|-+$/g, "");
}
