// On narrow screens the ways through a project are one line that is moved sideways: bring the present one into sight.

const line = document.querySelector(".sections ul");
const here = line.querySelector("[aria-current]")?.getBoundingClientRect();
if (here) line.scrollLeft = here.left + here.width / 2 - line.clientWidth / 2;
