// Opens the folds around the place that the address names, or that a link on the page leads to.

function open() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place) return;
  let opened = false;
  for (let fold = place.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    opened ||= !fold.open;
    fold.open = true;
  }
  if (opened) place.scrollIntoView();
  if (place.matches("input, select, textarea")) place.focus();
}

open();
addEventListener("hashchange", open);
// The same link once more changes nothing in the address.
document.addEventListener("click", ({ target }) => {
  const link = target.closest?.("a[href^='#']");
  if (link?.hash && link.hash === location.hash) open();
});
