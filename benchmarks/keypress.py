"""How long an annotator waits from a key press until the next item is painted, for texts and images, in Chromium.

    python -m benchmarks.keypress
    python -m benchmarks.keypress --items 300 --json    # one JSON object

A real server (gunicorn, as in production) with SQLite on this machine, and the one-by-one screen in headless Chromium
with one answer every 400 ms. The time runs from the browser's time of the key press to the end of the frame that holds
the next item, with its image decoded. Chromium paints a frame every 16.7 ms: half of that is waiting, on average.

Measure on a machine that does nothing else. Exit status: 1 if a 95th percentile is above 100 ms.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.measuring import chromium, machine
from scripts.installation import PASSWORD, Installation, free_port

KINDS = {"text": "tfidf-svd", "image": "pixels"}
"""The kinds of items, with the encoder that is quickest to prepare."""
CLASSES = 3
PERSON = "annie"
WIDTH, HEIGHT = 1024, 768  # px of the images
PAUSE_MS, WARM_UP = 400, 10
READY_MS = 300_000  # until the first batch is open
LIMIT_MS = 100

# A message that is sent within a frame arrives after it.
WATCH = """() => {
  window.times = [];
  let pressed = null;
  addEventListener("keydown", (event) => (pressed ??= event.timeStamp), { capture: true });
  const stage = document.querySelector("#stage");
  new MutationObserver(async () => {
    if (pressed === null || !stage.dataset.task) return;
    const began = pressed;
    pressed = null;
    await document.querySelector("#item img")?.decode();
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => window.times.push(performance.now() - began);
      port2.postMessage(null);
    });
  }).observe(stage, { attributes: true, attributeFilter: ["data-task"] });
}"""


def make_files(folder: Path, kind: str, items: int) -> Path:
    """Write texts of about 400 characters, or images as detailed as photographs. Return the path to import."""
    rng = np.random.default_rng(0)
    if kind == "text":
        path = folder / "texts.jsonl"
        words = ["parcel", "invoice", "late", "broken", "refund", "please", "customer", "since", "Monday", "thanks"]
        rows = ({"text": " ".join([f"Message {number}:", *rng.choice(words, 60)])} for number in range(items))
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return path
    path = folder / "images"
    path.mkdir()
    for number in range(items):
        small = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        image.save(path / f"{number:04}.jpg", quality=85)
    return path


@contextlib.contextmanager
def prepared(items: int) -> Iterator[Installation]:
    """Make an installation with a project of each kind, named after it, and the account of `PERSON`."""
    with tempfile.TemporaryDirectory(prefix="marginalia-") as name:
        folder = Path(name)
        place = Installation(folder / "data", free_port())
        place.folder.mkdir()
        place.manage("migrate", "--verbosity", "0")
        place.manage("collectstatic", "--no-input", "--verbosity", "0")
        classes = ",".join(f"class {number}" for number in range(CLASSES))
        for kind, encoder in KINDS.items():
            more = ("--classes", classes, "--batch-size", str(items), "--encoder", encoder)
            place.manage("create_project", kind, "--kind", kind, *more)
            place.manage("import_items", kind, str(make_files(folder, kind, items)))
            place.manage("add_member", kind, PERSON, "--role", "annotator", "--password", PASSWORD)
        yield place


def open_screen(browser: Browser, place: Installation, kind: str) -> Page:
    """Sign in, open the screen of the project, and wait for its first item."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}, base_url=place.url).new_page()
    page.goto("/login/")
    page.get_by_label("Username").fill(PERSON)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"/p/{kind}/label/")
    page.wait_for_selector('#content[data-state="item"]', timeout=READY_MS)
    return page


def measure(page: Page, items: int) -> dict[str, float]:
    """Answer WARM_UP items, then so many `items` by key. Return the median, 95th percentile and maximum in ms."""
    page.evaluate(WATCH)
    for number in range(WARM_UP + items):
        page.wait_for_timeout(PAUSE_MS)
        page.keyboard.press(str(number % CLASSES + 1))
    page.wait_for_timeout(PAUSE_MS)
    times = page.evaluate("times")
    if len(times) < WARM_UP + items:
        sys.exit(f"{WARM_UP + items} keys were pressed, and {len(times)} items followed: is the machine busy?")
    median, late, longest = np.percentile(times[WARM_UP:], (50, 95, 100))
    return {"p50_ms": round(median, 1), "p95_ms": round(late, 1), "max_ms": round(longest, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100, metavar="N", help="Keys of each kind. Default: 100.")
    parser.add_argument("--json", action="store_true", help="One JSON object instead of the table.")
    options = parser.parse_args()
    if options.items < 1:
        parser.error("--items must be at least 1.")
    results: dict[str, Any] = {}
    with prepared(options.items + 2 * WARM_UP) as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        with place.serving(worker=True):
            for kind in KINDS:
                open_screen(browser, place, kind).context.close()
        load = os.getloadavg()[0]
        with place.serving():
            for kind in KINDS:
                page = open_screen(browser, place, kind)
                results[kind] = measure(page, options.items)
                page.context.close()
        browser.close()
    if options.json:
        print(json.dumps({"machine": machine(), "load_before": load, "items": options.items, "kinds": results}))
    else:
        print(f"{options.items} keys each, one every {PAUSE_MS} ms; load before: {load:.1f}")
        print(f"\n{'':<8}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}")
        for kind, row in results.items():
            print(f"{kind:<8}" + "".join(f"{value:>9.1f}" for value in row.values()))
    return 1 if any(row["p95_ms"] > LIMIT_MS for row in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
