// What several kinds show alike.

// An id that an import drew: it says nothing to a person.
const DRAWN_ID = /^[0-9a-f]{20}$/;
const NAME_LENGTH = 60;

const filled = (data) => Object.keys(data).filter((name) => data[name] !== null && data[name] !== "");

/** The fields that came with an item, as a quiet line beneath it. */
export function facts(data, except) {
  const names = filled(data).filter((name) => name !== except);
  if (!names.length) return [];
  const list = document.createElement("dl");
  list.className = "fields";
  for (const name of names) {
    const pair = document.createElement("div");
    pair.dir = "auto";
    pair.append(element("dt", name), element("dd", shown(data[name])));
    list.append(pair);
  }
  return [list];
}

/** Numbers with at most five significant digits behind the point: enough to judge by, short enough to read. */
export function shown(value) {
  if (typeof value !== "number") return typeof value === "object" ? JSON.stringify(value) : String(value);
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(5)));
}

/** What stands for an item without text or picture in the list of the last answers: its fields, or its id, or a noun. */
export function named({ item: { data, external_id: id } }, noun) {
  const fields = filled(data).map((name) => shown(data[name]));
  return excerpt((fields.join(" · ") || (DRAWN_ID.test(id) ? noun : id)).slice(0, NAME_LENGTH));
}

/** A few words that stand for an item in the list of the last answers. */
export function excerpt(words) {
  const made = element("span", words);
  made.className = "excerpt";
  made.dir = "auto";
  return made;
}

export function note(sentence) {
  const made = element("p", sentence);
  made.className = "note";
  return made;
}

export function element(name, content) {
  const made = document.createElement(name);
  made.textContent = content;
  return made;
}

/** The same for words of the team, in whatever direction they run. */
export function foreign(name, content) {
  const made = element(name, content);
  made.dir = "auto";
  return made;
}
