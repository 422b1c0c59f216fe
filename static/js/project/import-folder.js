// What was chosen, and what of it is sent: files in, a plan out. Nothing is read here but names and sizes.

import { gettext } from "../words.js";
import { count, megabytes } from "./import-words.js";

const TABLES = new Set(["metadata.csv", "metadata.jsonl", "metadata.parquet"]);
// A new zip file is begun at this size: when the connection breaks, no more than this is sent again.
const PARCEL_BYTES = 1 << 30;
const NAMED = 8; // names that are shown of many

/** The files of an <input multiple>: [{name, file}]; from a folder, its own name is first in each path. */
export function fromInput(list) {
  return distinct(Array.from(list, (file) => ({ name: file.webkitRelativePath || file.name, file })));
}

/** Phones give photos of a gallery the same name: the second gets a number, or the zip file would hold both as one. */
function distinct(files) {
  const seen = new Set();
  return files.map(({ name, file }) => {
    const end = name.length - suffix(name).length;
    let own = name;
    for (let n = 2; seen.has(own); n += 1) own = `${name.slice(0, end)} (${n})${name.slice(end)}`;
    seen.add(own);
    return { name: own, file };
  });
}

/** The files that were dropped, with all that lies in dropped folders. Call it before the event is over. */
export function fromDrop(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return Promise.resolve(Array.from(transfer.files, (file) => ({ name: file.name, file })));
  return walk(entries);
}

async function walk(entries) {
  const files = [];
  const waiting = [...entries];
  while (waiting.length) {
    const entry = waiting.pop();
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      files.push({ name: entry.fullPath.replace(/^\//, ""), file });
    } else if (entry.isDirectory && !isHidden(entry.name)) waiting.push(...(await children(entry)));
  }
  return files;
}

/** All children of a folder: the browser hands them out a hundred at a time. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/** Whether a file of this name may be an item. `files`: what the form says of such files as JSON, "" if it takes none. */
export function isItem(name, { files }) {
  return Boolean(files) && JSON.parse(files).some(({ suffixes }) => suffixes.includes(suffix(name))) && !isHidden(name);
}

/** The kind of which most of the files are. */
function kindOf(files, kinds) {
  const n = ({ suffixes }) => files.filter(({ name }) => suffixes.includes(suffix(name))).length;
  return kinds.reduce((best, kind) => (n(kind) > n(best) ? kind : best));
}

/** One file, sent as it is; null where none was chosen. */
export function asItIs(file) {
  if (!file) return null;
  const { dataset } = document.querySelector("#upload");
  const limit = Number(dataset.maxBytes);
  const one = { summary: `${file.name}, ${megabytes(file.size)}`, more: [], turns: 1 };
  if (isItem(file.name, dataset)) return packed([{ name: file.name, file }], dataset);
  if (file.size > limit) return { ...one, summary: tooLarge(file.name, file.size, limit), problem: true };
  return { ...one, parcels: () => [{ name: file.name, file }] };
}

/** Many files, sent as zip files that are made here. `dataset` is that of the form: what is taken, how large one may be, what classes there are. */
export function packed(files, dataset) {
  const limit = Number(dataset.maxBytes);
  if (!files.length) return { summary: gettext("This folder is empty."), more: [], problem: true };
  if (!dataset.files) {
    const summary = gettext("This project does not import folders: choose one file.");
    return { summary, more: [], problem: true };
  }
  const { noun, suffixes, foreign } = kindOf(files, JSON.parse(dataset.files));
  const known = new Set(suffixes);
  const isOne = ({ name }) => known.has(suffix(name)) && !isHidden(name);
  const taken = files.filter((each) => isOne(each) || (TABLES.has(base(each.name)) && !isHidden(each.name)));
  taken.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
  const items = taken.filter(isOne);
  const plural = `${noun}s`;
  const title = folderOf(files) || gettext(plural);
  // What describes the files makes their folders' names meaningless.
  const sorted = items.length < taken.length ? null : folders(items, dataset, noun);
  const more = [...leftOut(files, taken, noun, foreign), ...(sorted?.lines ?? [])];
  if (!items.length) {
    const summary = gettext("There is no {noun} in {title} that can be imported.", { noun: gettext(noun), title });
    return { summary, more, problem: true };
  }
  const bytes = taken.reduce((sum, { file }) => sum + file.size, 0);
  // What describes the files must be in one zip file with them, and a project starts with one.
  const inseparable = items.length < taken.length || "one" in dataset;
  const problem = inseparable && bytes > limit;
  const summary = gettext("{items} from {title}, {size}", { items: count(items.length, noun), title, size: megabytes(bytes) });
  const parcels = (strict) => split(taken, inseparable || strict ? limit : Math.min(limit, PARCEL_BYTES), folderOf(files) || plural);
  if (problem) return { summary: tooLarge(title, bytes, limit), more, problem };
  const turns = parcels(false).length;
  // Of one file whose folders are all unknown the server shows pictures, and asks then.
  const asks = sorted && (sorted.labeled || turns > 1) ? { ...sorted, items: items.length, of: noun } : null;
  return { summary, more, parcels, turns, asks };
}

function split(files, most, title) {
  const parcels = [];
  let size = Infinity;
  for (const each of files) {
    const bytes = each.file.size + 2 * each.name.length + 200; // what the zip file says of it included
    if (size + bytes > most) {
      parcels.push({ files: [] });
      size = 0;
    }
    parcels.at(-1).files.push(each);
    size += bytes;
  }
  const part = (number) => (parcels.length > 1 ? ` (${number} of ${parcels.length})` : "");
  return parcels.map((parcel, at) => ({ ...parcel, name: `${title}${part(at + 1)}.zip` }));
}

function leftOut(files, taken, noun, foreign) {
  const kept = new Set(taken);
  const out = files.filter((each) => !kept.has(each) && !isHidden(each.name));
  const hidden = files.length - taken.length - out.length;
  const lines = [];
  const named = new Set();
  for (const { suffixes, noun: others, formats, advice } of foreign) {
    const these = out.filter(({ name }) => suffixes.includes(suffix(name)));
    these.forEach((each) => named.add(each));
    if (these.length)
      lines.push(
        gettext("{files} in {formats} left out: {advice}, then import ({names}).", {
          files: count(these.length, others),
          formats: gettext(formats),
          advice: gettext(advice),
          names: names(these),
        }),
      );
  }
  const other = out.filter((each) => !named.has(each));
  if (other.length) 
    lines.push(
      gettext("{files} skipped, not {noun}: {names}.", { files: count(other.length, "file"), noun: gettext(noun), names: names(other) }),
    );
  if (hidden)
    lines.push(gettext("{files} skipped, such as {name}.", { files: count(hidden, "hidden file"), name: hiddenName(files) }));
  return lines;
}

/**
 * How many items lie in folders with the names of classes (`labeled`), how many in folders that are no classes yet (`unknown`, in the
 * folders `newNames`), and lines that say so; null if the names of folders say nothing. `classes` is JSON, "" if there are too many.
 */
function folders(items, { classes, unsorted = "" }, noun) {
  const paths = items.map(({ name }) => name.normalize("NFC").split("/").slice(0, -1));
  if (!classes || !paths.some(({ length }) => length)) return null;
  const known = new Set(JSON.parse(classes).map(folded));
  const noClass = new Set([...unsorted.split(" "), folded(folderOf(items))]);
  const isClass = (name) => known.has(folded(name));
  const labeled = paths.filter((path) => path.some(isClass)).length;
  const others = paths.filter((path) => path.length && !path.some(isClass)).map((path) => path.at(-1));
  const fresh = others.filter((name) => !noClass.has(folded(name)));
  const newNames = [...new Map(fresh.map((name) => [folded(name), name])).values()].sort();
  if (!labeled && newNames.length < 2) return null; // one folder sorts nothing
  const classNames = [...new Set(paths.flat().filter(isClass))].sort();
  const line = gettext("{items} in folders named after a class ({names}).", { items: count(labeled, noun), names: some(classNames) });
  return { labeled, unknown: fresh.length, newNames, lines: labeled ? [line] : [] };
}

/** As `labeling.intake.rules.folded` does it. */
function folded(name) {
  return name.trim().toLowerCase().normalize("NFC");
}

/** The names, or the first of many. */
export function some(names) {
  return names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ", …" : "");
}

/** The one folder that holds all files, or "". */
function folderOf(files) {
  const tops = new Set(files.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
  const [only] = tops;
  return tops.size === 1 ? only : "";
}

function names(files) {
  return some(files.map(({ name }) => base(name)));
}

function hiddenName(files) {
  const name = files.find((each) => isHidden(each.name)).name;
  return name.split("/").find((part) => isHidden(part));
}

function tooLarge(name, bytes, limit) {
  return gettext("{name} has {size}; at most {limit} are taken at once. Choose a part of it.", {
    name,
    size: megabytes(bytes),
    limit: megabytes(limit),
  });
}

function base(name) {
  return name.split("/").at(-1);
}

/** With its point: ".png". */
export function suffix(name) {
  return base(name).includes(".") ? `.${name.split(".").at(-1).toLowerCase()}` : "";
}

export function isHidden(name) {
  return name.split("/").some((part) => part.startsWith(".") || ["__MACOSX", "Thumbs.db", "desktop.ini"].includes(part));
}
