"""How long the annotators' screen takes over 20,000 classes: to be ready, to search, and to move through the tree.

    python -m benchmarks.many_classes
    python -m benchmarks.many_classes --classes 5000

The modules of the screen with its style sheets, in Chromium, on a page of their own without a server. Each time is of
what runs in the page, with the layout that follows from it, but without painting. A tree of three levels: 20 classes,
20 below each, 49 below those; and one with all classes on one level, the worst case.

Measure on a machine that does nothing else. Exit status: 1 beyond 300 ms to be ready, or 16 ms a key of the tree.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.measuring import chromium

STATIC = Path(__file__).resolve().parent.parent / "static"
ORIGIN = "http://marginalia.test"
STYLES = ("tokens", "base", "components", "label", "label-answers", "label-narrow")
READY_MS, KEY_MS = 300, 16
PAGE = """<!doctype html><html lang="en">{styles}<body><main class="label" data-picker="search" data-state="item">
<section class="stage" id="stage"></section><section class="answers" id="answers"><div class="field">
<div class="find-head"><label for="search">Find a class</label><button id="browse" hidden>Browse</button></div>
<input id="search"></div><p id="found"></p><div id="choices" class="choices" role="listbox"></div>
<div id="tree" class="choices tree" role="tree" tabindex="0" hidden></div></section></main>"""

# What is measured: of each step its times in ms.
MEASURE = """async ({ names, above, repeat }) => {
  const { SearchPicker } = await import("/static/js/label/pickers/search.js");
  const { OneOf } = await import("/static/js/label/pickers/choice.js");
  const tree = document.querySelector("#tree"), search = document.querySelector("#search");
  const times = {};
  const time = (name, act) => {
    const started = performance.now();
    act();
    document.querySelector("#answers").getBoundingClientRect();
    (times[name] ??= []).push(performance.now() - started);
  };
  const key = (place, name) => place.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  let picker;
  time("ready", () => (picker = new SearchPicker({ names, above, choice: new OneOf(() => {}) })));
  time("browse", () => picker.browse());
  for (let round = 0; round < repeat; round++) {
    for (const name of ["ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowDown"]) {
      time("a key", () => key(tree, name));
    }
    for (const name of ["End", "ArrowUp", "Home"]) time("a key", () => key(tree, name));
    time("a key", () => key(tree, "ArrowLeft"));
    time("a key", () => key(tree, "ArrowDown"));
  }
  picker.browse();
  for (const text of ["c", "cl", "cla", "class 1", "class 19 9"]) {
    for (let round = 0; round < repeat; round++) {
      time("a letter", () => {
        search.value = text;
        search.dispatchEvent(new Event("input"));
      });
    }
  }
  return times;
}"""


def tree(classes: int) -> tuple[list[str], list[int]]:
    """Return the names, and the index of each class's parent: 20 roots, 20 children each, the others below them."""
    above = [-1] * 20 + [at // 20 for at in range(400)]
    above += [20 + at % 400 for at in range(classes - len(above))]
    return [f"class {at}" for at in range(classes)], above[:classes]


def flat(classes: int) -> tuple[list[str], list[int]]:
    """Return all classes on one level, except that the last is below the first."""
    return [f"class {at}" for at in range(classes)], [-1] * (classes - 1) + [0]


def measure(page: Page, names: list[str], above: list[int], repeat: int) -> dict[str, list[float]]:
    page.goto(ORIGIN)
    times: dict[str, list[float]] = page.evaluate(MEASURE, {"names": names, "above": above, "repeat": repeat})
    return times


def answer(route: Any) -> None:
    """Serve the page and the files of the screen in place of a server."""
    path = route.request.url.removeprefix(ORIGIN)
    if path.startswith("/static/"):
        route.fulfill(path=STATIC / path.removeprefix("/static/"))
    else:
        styles = "".join(f'<link rel="stylesheet" href="/static/css/{name}.css">' for name in STYLES)
        route.fulfill(body=PAGE.replace("{styles}", styles), content_type="text/html")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=20_000, metavar="N", help="Default: 20,000.")
    parser.add_argument("--repeat", type=int, default=10, metavar="N", help="Rounds of keys. Default: 10.")
    options = parser.parse_args()
    if options.classes < 1000 or options.repeat < 1:
        parser.error("--classes must be at least 1,000, and --repeat at least 1.")
    slow = False
    print(f"{options.classes:,} classes; load of the machine before: {os.getloadavg()[0]:.1f}")
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"]).new_page()
        page.route("**/*", answer)
        for shape in (tree, flat):
            times = measure(page, *shape(options.classes), options.repeat)
            print(f"\n{shape.__name__:<12}{'median ms':>12}{'max ms':>10}")
            for name, each in times.items():
                print(f"{name:<12}{statistics.median(each):>12.1f}{max(each):>10.1f}")
            slow |= times["ready"][0] + times["browse"][0] > READY_MS or statistics.median(times["a key"]) > KEY_MS
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
