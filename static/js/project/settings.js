// Says what the settings would lead to while somebody types. The server does the arithmetic.

const PAUSE_MS = 200;

const form = document.querySelector("#settings");
const told = document.querySelector("#consequence");
const telling = ["batch_size", "candidate_factor", "control_share", "strategy"];
let timer;
let asked;

form.addEventListener("input", ({ target }) => {
  if (!telling.includes(target.name)) return;
  clearTimeout(timer);
  timer = setTimeout(tell, PAUSE_MS);
});

async function tell() {
  asked?.abort();
  asked = new AbortController();
  const query = new URLSearchParams(telling.map((name) => [name, form.elements[name].value]));
  try {
    const response = await fetch(`${form.dataset.consequence}?${query}`, { signal: asked.signal });
    if (!response.ok) return;
    const { text } = await response.json();
    told.textContent = text || "One of these numbers cannot be used: it would be refused.";
  } catch {
    // Overtaken by a later keystroke, or no connection: the form works without it.
  }
}
