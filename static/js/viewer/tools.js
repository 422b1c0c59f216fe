// The buttons at the corner of an image: zoom, and how it is drawn.

import { gettext } from "../words.js";
import { element } from "../label/kinds/parts.js";

/** The toolbar of a viewer. `fitKey`: what stands for *Fit*, where something does. */
export function toolsOf(viewer, { fitKey = "" } = {}) {
  const bar = document.createElement("div");
  bar.className = "viewer-tools";
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", gettext("View of the image"));
  const note = element("span", "");
  note.className = "viewer-note";
  note.setAttribute("role", "status");
  const out = button("−", { label: gettext("Zoom out"), keys: "-", onclick: () => viewer.step(-1) });
  const fit = button(gettext("Fit"), { label: gettext("Fit"), keys: fitKey, onclick: () => viewer.fit() });
  const closer = button("+", { label: gettext("Zoom in"), keys: "+", onclick: () => viewer.step(1) });
  const more = button(gettext("View"), { label: gettext("View"), onclick: () => open(panel.hidden) });
  const panel = document.createElement("div");
  panel.className = "viewer-panel";
  panel.id = "viewer-panel";
  more.setAttribute("aria-controls", panel.id);
  const light = slider(viewer);
  const plain = button(gettext("Reset"), { label: gettext("Reset the brightness"), onclick: () => viewer.light(1) });
  const squares = checkbox(viewer);
  panel.append(labeled(gettext("Brightness"), light), plain, labeled(gettext("Large pixels as squares"), squares));
  for (const each of [out, closer]) each.classList.add("viewer-step");
  fit.classList.add("viewer-fit");
  bar.append(note, out, fit, closer, more, panel);
  bar.addEventListener("mousedown", (event) => event.target.type === "range" || event.preventDefault());
  // A gesture on the buttons is none on the image.
  for (const name of ["pointerdown", "pointerup"]) bar.addEventListener(name, (event) => event.stopPropagation());

  const open = (on) => {
    panel.hidden = !on;
    more.setAttribute("aria-expanded", on);
  };
  viewer.onchange = () => {
    bar.dataset.zoomed = viewer.zoomed;
    const zoom = viewer.zoomed ? `${viewer.zoom < 10 ? viewer.zoom.toFixed(1) : Math.round(viewer.zoom)}×` : "";
    const words = { loading: gettext("Loading the original…"), missing: gettext("The original cannot be loaded") }[viewer.original] ?? zoom;
    if (note.textContent !== words) note.textContent = words;
    fit.setAttribute("aria-disabled", !viewer.zoomed);
    out.setAttribute("aria-disabled", !viewer.zoomed);
    const lit = viewer.brightness === 1 ? gettext("View") : gettext("View, {brightness}", { brightness: percent(viewer.brightness) });
    if (more.textContent !== lit) more.textContent = lit;
    light.value = Math.log2(viewer.brightness);
    light.setAttribute("aria-valuetext", percent(viewer.brightness));
    squares.checked = viewer.squares;
  };
  open(false);
  viewer.onchange();
  return bar;
}

function button(text, { label, keys = "", onclick }) {
  const made = element("button", text);
  made.type = "button";
  made.className = "button quiet";
  if (label !== text) made.setAttribute("aria-label", label);
  if (keys) {
    made.setAttribute("aria-keyshortcuts", keys);
    made.title = `${label} (${keys})`;
  }
  made.addEventListener("click", onclick);
  return made;
}

function slider(viewer) {
  const made = document.createElement("input");
  Object.assign(made, { type: "range", min: -1.5, max: 1.75, step: 0.05 });
  made.addEventListener("input", () => viewer.light(Math.abs(made.value) < 0.04 ? 1 : 2 ** made.value));
  made.addEventListener("pointerup", () => made.blur()); // the next key is for the item again
  return made;
}

function checkbox(viewer) {
  const made = document.createElement("input");
  made.type = "checkbox";
  made.addEventListener("change", () => viewer.draw(made.checked));
  return made;
}

function labeled(words, input) {
  const made = document.createElement("label");
  made.append(element("span", words), input);
  return made;
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}
