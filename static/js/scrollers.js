// A place that scrolls is a stop of the Tab key, so that the arrow keys reach it; one that shows all it has is none.

const sized = new ResizeObserver((entries) => entries.forEach(({ target }) => setStop(target.closest(".scroll, pre"))));

for (const place of document.querySelectorAll(".scroll[tabindex], pre[tabindex]")) {
  setStop(place);
  sized.observe(place);
  for (const child of place.children) sized.observe(child);
}

function setStop(place) {
  if (place.scrollWidth > place.clientWidth || place.scrollHeight > place.clientHeight) place.tabIndex = 0;
  else if (place !== document.activeElement) place.removeAttribute("tabindex");
}
