// Selecting items of a list: all on the page at once, and how many there are. Without it each has its box all the same.

import { gettext, number } from "../words.js";

export function selectItems(form) {
  if (!form) return;
  const boxes = [...document.querySelectorAll('input[form="change"][name="item"]')];
  const page = document.querySelector("#select-page");
  const all = document.querySelector("#select-all");
  const summary = document.querySelector("#selected");
  const tell = () => {
    const n = boxes.filter((box) => box.checked).length;
    page.checked = n === boxes.length;
    page.indeterminate = n > 0 && n < boxes.length;
    summary.textContent = n && !all?.checked ? gettext("{n} selected", { n: number(n) }) : "";
  };
  page.parentElement.hidden = false;
  page.addEventListener("change", () => {
    for (const box of boxes) box.checked = page.checked;
    tell();
  });
  for (const box of boxes) box.addEventListener("change", tell);
  all?.addEventListener("change", tell);
  form.addEventListener("submit", (event) => {
    if (all?.checked || boxes.some((box) => box.checked)) return;
    event.preventDefault();
    summary.textContent = gettext("Select items first.");
  });
  tell(); // a browser that comes back keeps what was checked
}
