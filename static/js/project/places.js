// The places of a project, and the pages of a place, may be wider than the window: bring the present one into sight.

for (const line of document.querySelectorAll(".places ul")) {
  const here = line.querySelector("[aria-current]")?.getBoundingClientRect();
  if (here) line.scrollLeft = here.left + here.width / 2 - line.clientWidth / 2;
}
