// Parts of a page that follow what happens on the server. The server renders them; here they are only exchanged.

/** Ask for this page again and exchange the parts that have these ids. Does nothing if the server cannot be reached. */
export async function refresh(...ids) {
  const fresh = await load(location.href);
  if (fresh) document.title = fresh.title;
  for (const id of ["bell", ...ids]) exchange(document.getElementById(id), fresh?.getElementById(id));
}

/** The page, or with `fields` of a form the page that answers it, as a document; null if it cannot be had. */
export function load(url, fields = null) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.addEventListener("load", () => resolve(request.status === 200 ? request.response : null));
    request.addEventListener("error", () => resolve(null));
    request.open(fields ? "POST" : "GET", url);
    request.responseType = "document";
    request.send(fields);
  });
}

/** Whether a person was quicker than the scripts, or came back to a form that the browser has kept filled. */
export function touched(form) {
  return [...form.elements].some((control) => {
    if (control.options) return [...control.options].some((o) => o.value && o.selected !== o.defaultSelected);
    return (
      ("defaultValue" in control && control.value !== control.defaultValue) ||
      ("defaultChecked" in control && control.checked !== control.defaultChecked)
    );
  });
}

/** Put `next` in the place of `old`; what has the focus keeps it, and what was unfolded stays so. */
function exchange(old, next) {
  if (!old || !next) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const folds = [...old.querySelectorAll("details")];
  next.querySelectorAll("details").forEach((fold, place) => {
    if (folds[place]) fold.open = folds[place].open;
  });
  old.replaceWith(next);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Call `look` again and again, each time after as many milliseconds as it resolved to; not in a hidden tab. */
export function repeat(look, first) {
  let timer = setTimeout(turn, first);
  async function turn() {
    clearTimeout(timer);
    const next = document.hidden ? 5_000 : await look();
    clearTimeout(timer);
    timer = setTimeout(turn, next);
  }
  document.addEventListener("visibilitychange", () => !document.hidden && turn());
}
