// Proposes an address from the project's name until the person writes one, and takes classes from the names of folders.

import { fromInput, isHidden, suffix } from "./import-folder.js";
import { gettext, ngettext } from "../words.js";

const field = (id) => document.querySelector(`#id_${id}`);
let last = proposal(field("name").value); // what was proposed

// What was typed before this file arrived counts too.
if (field("slug").value === "") field("slug").value = last;

document.addEventListener("input", ({ target }) => {
  const { value } = field("slug");
  if (target.id !== "id_name" || (value !== "" && value !== last)) return;
  last = proposal(target.value);
  field("slug").value = last;
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

start();
document.addEventListener("change", ({ target }) => target.id === "id_folders" && target.files.length && takeNames(target));

function start() {
  const folders = field("folders");
  if (!folders) return;
  document.querySelector("#from-folders").hidden = false;
  if (folders.files.length) takeNames(folders);
}

/** The folders that hold files that may be items, but the one that was chosen, become the classes. Only names are looked at. */
function takeNames(folders) {
  const suffixes = new Set(folders.dataset.suffixes.split(" "));
  const files = fromInput(folders.files).filter(({ name }) => suffixes.has(suffix(name)) && !isHidden(name));
  const paths = files.map((each) => each.name.split("/"));
  const names = [...new Set(paths.filter(({ length }) => length > 2).map((path) => path.at(-2)))].sort();
  const summary = document.querySelector("#folders-told");
  folders.value = "";
  if (!names.length) {
    summary.textContent = gettext(
      "This folder contains no folders with files to label. Choose the folder that contains one folder for each class.",
    );
    return;
  }
  document.querySelector("#id_classes").value = names.join("\n").normalize("NFC");
  summary.textContent = ngettext("{n} name taken. Change the list as you like.", "{n} names taken. Change the list as you like.", names.length);
}
