// The API's page: searches operations and objects, and opens the fold that a link leads to.

const form = document.querySelector(".api-search");
const field = form.querySelector("input");
const status = form.querySelector("[role=status]");
const subjects = [...document.querySelectorAll(".api-subject")];
const entries = [...document.querySelectorAll(".api-endpoint")].map((fold) => ({
  fold,
  summary: fold.querySelector("summary").textContent.toLowerCase(),
  fields: [...new Set([...fold.querySelectorAll("th code")].map((code) => code.textContent))],
  found: fold.querySelector("summary").appendChild(note()),
}));

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
field.addEventListener("input", search);
addEventListener("hashchange", reveal);
if (field.value) search(); // the browser kept it on the way back
reveal();

/** Where the fields that match are named. */
function note() {
  const element = document.createElement("span");
  element.className = "muted";
  return element;
}

/** Show the entries in which each word occurs, in the summary or in a field's name. */
function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { fold, summary, fields, found } of entries) {
    const others = words.filter((word) => !summary.includes(word));
    const names = fields.filter((name) => others.some((word) => name.toLowerCase().includes(word)));
    fold.hidden = !others.every((word) => names.some((name) => name.toLowerCase().includes(word)));
    found.textContent = fold.hidden ? "" : names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
    if (!fold.hidden) shown += 1;
  }
  for (const subject of subjects) {
    subject.hidden = words.length > 0 && !subject.querySelector(".api-endpoint:not([hidden])");
    subject.open = words.length > 0 ? !subject.hidden : Boolean(subject.querySelector(".api-endpoint[open]"));
  }
  status.textContent = words.length === 0 ? "" : shown === 0 ? "Nothing matches. Try fewer words." : `${shown} found`;
}

/** Open the folds around the element that the address names. */
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.closest(".api-all")) return;
  if (target.closest("[hidden]")) {
    field.value = "";
    search();
  }
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}
