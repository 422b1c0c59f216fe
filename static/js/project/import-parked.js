// The page of a parked import: a change of a column shows the first rows anew. Without it the button "Show again" does.

import { load } from "./live.js";
import { keepPixels } from "./pixels.js";

const form = () => document.querySelector("#parked");
let turn = 0; // only the newest change is shown

start();

document.addEventListener("change", ({ target }) => {
  if (form() && target.form === form() && target.closest("[data-shows]")) show(target.id);
});

document.addEventListener("submit", () => {
  turn += 1; // the page is left: what is still on its way must not change it
});

function start() {
  const again = document.querySelector("#show-again");
  if (again) again.hidden = true;
  keepPixels(document.querySelectorAll("#first-rows img"));
}

async function show(id) {
  const mine = ++turn;
  const fields = new FormData(form());
  fields.set("do", "show");
  form().setAttribute("aria-busy", "true");
  const page = await load(form().action, fields);
  if (mine !== turn) return;
  if (!page?.querySelector("#parked")) return location.reload();
  // What was chosen and focused meanwhile stays.
  const chosen = form().querySelector("[name=labels_as]:checked")?.id;
  const focused = form().contains(document.activeElement) ? document.activeElement.id : id;
  document.querySelector("#content").replaceWith(page.querySelector("#content"));
  if (chosen && document.getElementById(chosen)) document.getElementById(chosen).checked = true;
  start();
  document.getElementById(focused)?.focus();
}
