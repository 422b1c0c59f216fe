// The import page: a file or a folder is chosen or dropped, and sent. Without it the form works as forms do.

import { asItIs, fromDrop, fromInput, isItem, packed, some } from "./import-folder.js";
import { follow } from "./import-live.js";
import { Cancelled, pack, post } from "./import-send.js";
import { count } from "./import-words.js";
import { gettext, ngettext } from "../words.js";

const form = () => document.querySelector("#upload");
const part = (name) => document.querySelector(`#${name}`);
let chosen = null; // what is going to be sent: see import-folder.js
let sending = null; // the AbortController of what is being sent

start();
follow();

document.addEventListener("submit", (event) => {
  if (event.target.id !== "upload") return;
  event.preventDefault();
  if (!sending) send(event.submitter?.name === "preview");
});

document.addEventListener("change", ({ target }) => {
  look(target);
  if (["labels_as", "unknown_labels"].includes(target.name)) tellConsequences();
});

document.addEventListener("click", ({ target }) => {
  if (target.id === "sending-cancel") sending?.abort();
});

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!form() || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // a file dropped beside the target must not take the place of the page
    const over = event.target.closest?.("#drop");
    part("drop").classList.toggle("over", Boolean(over) && !sending && kind !== "drop" && kind !== "dragleave");
    if (kind === "dragover") event.dataTransfer.dropEffect = over && !sending ? "copy" : "none";
    if (kind === "drop" && over && !sending) drop(event.dataTransfer);
  });
}

window.addEventListener("beforeunload", (event) => {
  if (sending) event.preventDefault();
});

/** Show what works only with scripts, and take what was chosen before they came. Called for each new form. */
function start() {
  if (part("folder")) part("folder").hidden = false;
  if (part("drop-hint")) part("drop-hint").hidden = false;
  if (startsProject()) part("look").hidden = true;
  if (form()?.dataset.files) {
    part("id_file").multiple = true;
    part("id_file").labels[0].textContent = gettext("Choose a file or several");
  }
  for (const id of ["id_file", "id_folder"]) if (part(id)?.files.length) look(part(id));
}

function look(input) {
  if (input.id !== "id_file" && input.id !== "id_folder") return;
  const isOne = input.id === "id_file" && input.files.length < 2;
  const upload = isOne ? asItIs(input.files[0]) : packed(fromInput(input.files), form().dataset);
  choose(upload, input.id === "id_file" ? "id_folder" : "id_file");
}

async function drop(transfer) {
  const reading = fromDrop(transfer); // must begin while the event lasts
  say(gettext("Reading the folder …"));
  try {
    const files = await reading;
    const table = files.length === 1 && !files[0].name.includes("/") && !isItem(files[0].name, form().dataset);
    choose(table ? asItIs(files[0].file) : packed(files, form().dataset), "id_file", "id_folder");
  } catch {
    say(gettext("It cannot be read: a file is locked or gone. Choose it again."), "error");
  }
}

/** Take this to be sent, and empty the other ways to choose, so that only one thing is chosen. */
function choose(upload, ...others) {
  chosen = upload;
  for (const id of others) if (part(id)) part(id).value = "";
  if (!upload) return say("");
  say(upload.summary, upload.problem ? "error" : "");
  part("chosen-more").replaceChildren(...upload.more.map(line));
  askAboutLabels(upload.asks);
  if (startsProject()) send(false);
}

/** Whether this is the page of a new project, which shows what is chosen at once. */
function startsProject() {
  return "one" in (form()?.dataset ?? {});
}

/** Ask what the folders' names mean, and what becomes of those that are no classes. Of other files the server asks when it has seen them. */
function askAboutLabels(asks) {
  asking(part("labels-as"), asks);
  asking(part("unknown-labels"), asks?.unknown && part("unknown-labels"));
  if (!asks) return;
  const { unknown, newNames, of } = asks;
  if (unknown && part("unknown-labels")) {
    part("unknown-names").textContent = gettext("{items} in folders that are no classes yet: {names}", {
      items: count(unknown, of),
      names: some(newNames),
    });
    part("unknown-add").textContent = ngettext("Add {n} class", "Add {n} classes", newNames.length);
  }
  tellConsequences();
}

function asking(fieldset, isAsked) {
  if (fieldset) fieldset.hidden = fieldset.disabled = !isAsked;
}

function tellConsequences() {
  const asks = chosen?.asks;
  if (!asks || !part("labels-as")) return;
  const n = asks.labeled + (part("id_unknown_add")?.checked ? asks.unknown : 0);
  for (const hint of part("labels-as").querySelectorAll("[data-consequence]")) {
    const { consequence, all } = hint.dataset;
    hint.textContent = `${consequence.replace("{labels}", count(n, "label"))} ${n === asks.items ? all : ""}`.trim();
  }
  if (part("unknown-labels")) asking(part("unknown-labels"), asks.unknown && !part("id_labels_as_ignore").checked);
}

async function send(previews) {
  if (!chosen) return say(form().dataset.none, "error");
  if (chosen.problem) return part("chosen").focus();
  sending = new AbortController();
  busy(true);
  try {
    let page = null;
    for (const [turn, parcel] of chosen.parcels(form().elements.strict?.checked ?? true).entries()) {
      const file = parcel.file ?? (await pack(parcel, { signal: sending.signal, show }));
      const fields = new FormData(form());
      fields.set("file", file, parcel.name);
      // Folders without the name of a class label nothing: no parcel of them has to wait for an answer.
      if (chosen.turns > 1 && !fields.has("labels_as")) fields.set("labels_as", "truth");
      if (previews) fields.set("preview", "1");
      page = await post(form().action, fields, { signal: sending.signal, show, turn, of: chosen.turns });
      if (page.refused) break;
    }
    sending = null;
    if (!page.refused && page.url !== location.href) location.assign(page.url);
    else arrived(page.document);
  } catch (error) {
    if (error instanceof Cancelled) show(gettext("Cancelled. Uploads that were already complete are in the list below."), 0);
    else show(error.message, 0);
    busy(false);
  }
  sending = null;
}

/** The page with the outcome, or the form with what is wrong, takes the place of this one. */
function arrived(page) {
  const { top } = document.documentElement.getBoundingClientRect();
  document.title = page.title;
  document.querySelector("#content").replaceWith(page.querySelector("#content"));
  chosen = null;
  start();
  if (top < 0) document.querySelector("#content .notice, #content .errorlist")?.scrollIntoView({ block: "center" });
}

function busy(is) {
  for (const button of form().querySelectorAll("button[type=submit]")) button.disabled = is;
  part("sending-cancel").hidden = !is;
  for (const id of ["id_file", "id_folder"]) if (part(id)) part(id).disabled = is;
}

/** `share` is left out if the duration is unknown. */
function show(text, share) {
  part("sending").hidden = false;
  part("sending-text").textContent = text;
  if (share === undefined) part("sending-bar").removeAttribute("value");
  else part("sending-bar").value = share;
}

function say(text, kind = "") {
  askAboutLabels(null);
  part("chosen").textContent = text;
  part("chosen").className = kind ? `notice ${kind}` : "";
  part("chosen-more").replaceChildren();
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}
