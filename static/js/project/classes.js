// Fields that ask for a class: where there are too many to send with the page, the server proposes some.

const PAUSE_MS = 150;

/** Fill a field's list of proposals during typing. Does nothing if the list has all names. */
export function proposeClasses() {
  const list = document.querySelector("datalist[data-propose]");
  if (!list) return;
  let timer;
  let asked;
  document.addEventListener("input", ({ target }) => {
    if (target.getAttribute("list") !== list.id) return;
    clearTimeout(timer);
    timer = setTimeout(() => propose(target.value.trim()), PAUSE_MS);
  });

  async function propose(text) {
    asked?.abort();
    asked = new AbortController();
    if (!text) return;
    try {
      const response = await fetch(`${list.dataset.propose}?${new URLSearchParams({ q: text })}`, {
        signal: asked.signal,
      });
      if (!response.ok) return;
      const { classes } = await response.json();
      list.replaceChildren(...classes.map(option));
    } catch {
      // Overtaken by a later keystroke, or no connection: the form says what is wrong with a name.
    }
  }
}

function option(name) {
  const made = document.createElement("option");
  made.value = name;
  return made;
}
