// An item as people see it: an image, a text, or a table of its fields.

// From this enlargement on, pixels are shown as squares: a blurred 8 × 8 image helps nobody.
const PIXELATED_FROM = 3;
// Nor is it read more easily when each of its pixels gets as large as a thumb.
const LARGEST_SCALE = 32;
const LONG_TEXT = 400;

/** Put the item of `task` into `place`; `image` is its element, loaded ahead. */
export function showItem(place, task, kind, image) {
  const { data } = task.item;
  if (kind === "image") place.replaceChildren(picture(place, image), ...facts(data));
  else if (kind === "text") place.replaceChildren(text(data.text), ...facts(data, "text"));
  else place.replaceChildren(...table(data));
  place.scrollTop = 0;
}

/** What stands for the item in the list of the last answers. */
export function thumbnail(task, kind) {
  if (kind === "image" && task.item.media_url) {
    const image = new Image();
    image.src = task.item.media_url;
    image.alt = "";
    return image;
  }
  const shown = document.createElement("span");
  shown.className = "excerpt";
  shown.textContent = kind === "text" ? String(task.item.data.text).slice(0, 60) : task.item.external_id;
  return shown;
}

function picture(place, image) {
  const frame = document.createElement("div");
  frame.className = "picture";
  if (!image) {
    frame.append(note("This item has no image. Skip it as broken."));
    return frame;
  }
  frame.append(image);
  const fit = () => {
    const scale = Math.min(place.clientWidth / image.naturalWidth, place.clientHeight / image.naturalHeight);
    image.classList.toggle("pixelated", scale >= PIXELATED_FROM);
    image.style.maxWidth = `${LARGEST_SCALE * image.naturalWidth}px`;
    image.style.maxHeight = `${LARGEST_SCALE * image.naturalHeight}px`;
  };
  if (image.complete && image.naturalWidth) fit();
  else image.addEventListener("load", fit, { once: true });
  frame.append(note("The image has not arrived yet. It is tried again every two seconds."));
  return frame;
}

function text(value) {
  const shown = document.createElement("div");
  shown.className = "text";
  shown.classList.toggle("long", String(value).length > LONG_TEXT);
  shown.dir = "auto";
  shown.textContent = value;
  return shown;
}

/** The fields that came with an image or a text, as a quiet line beneath it. */
function facts(data, except) {
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

function table(data) {
  const names = Object.keys(data);
  if (!names.length) return [note("This item is a bare vector: it has no named fields to show.")];
  const made = document.createElement("table");
  made.className = "values";
  const body = made.createTBody();
  for (const name of names) {
    const row = body.insertRow();
    const head = element("th", name);
    head.scope = "row";
    const cell = element("td", shown(data[name]));
    if (typeof data[name] === "number") cell.className = "number";
    row.append(head, cell);
  }
  return [made];
}

/** Numbers with at most five significant digits behind the point: enough to judge by, short enough to read. */
function shown(value) {
  if (typeof value !== "number") return typeof value === "object" ? JSON.stringify(value) : String(value);
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(5)));
}

function note(sentence) {
  const made = element("p", sentence);
  made.className = "note";
  return made;
}

function element(name, content) {
  const made = document.createElement(name);
  made.textContent = content;
  return made;
}
