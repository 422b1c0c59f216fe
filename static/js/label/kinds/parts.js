// What several kinds show alike.

/** The fields that came with an item, as a quiet line beneath it. */
export function facts(data, except) {
  const names = Object.keys(data).filter((name) => name !== except && data[name] !== null && data[name] !== "");
  if (!names.length) return [];
  const list = document.createElement("dl");
  list.className = "fields";
  for (const name of names) {
    const pair = document.createElement("div");
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
