// On narrow screens the ways through a project are lines that are moved sideways: bring the present one into sight.

for (const line of document.querySelectorAll(".sections ul")) {
  const here = line.querySelector("[aria-current]")?.getBoundingClientRect();
  if (here) line.scrollLeft = here.left + here.width / 2 - line.clientWidth / 2;
}
