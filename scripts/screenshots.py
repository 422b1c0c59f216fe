"""Takes the documentation's screenshots of the demo, in the system's Chromium.

    python scripts/screenshots.py [FOLDER]      # docs/images by default; a few minutes

Needs Chromium and the requirements of the tests. Each picture is a PNG below 200 kB.
"""

import io
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from installation import PASSWORD, ROOT, Installation, installation
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

BATCHES = 6
WIDTH = 1200
# About the time for which a person looks at an item; the page shows the pace.
LOOK_MS = 1_300
SCALE = 1.5
LARGEST = 200_000
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


class Picture(NamedTuple):
    name: str
    user: str
    path: str
    scheme: str
    height: int = 750
    prepare: Callable[[Page, Installation], None] = lambda page, demo: None


def label_some(page: Page, demo: Installation) -> None:
    """Answer some digits as a person would; flag one and skip one."""
    for number in range(8):
        task = page.locator("#stage[data-task]").get_attribute("data-task")
        keys = {3: ["f", known_answer(demo, int(task or 0))], 5: ["Space", "1"]}
        page.wait_for_timeout(LOOK_MS)
        for key in keys.get(number, [known_answer(demo, int(task or 0))]):
            page.keyboard.press(key)
        page.locator(f'#stage[data-task="{task}"]').wait_for(state="detached")
    page.locator('#item img[data-state="ready"]').wait_for()
    page.wait_for_timeout(7_000)  # until the message about the last answer disappears


def known_answer(demo: Installation, task: int) -> str:
    with sqlite3.connect(f"file:{demo.folder / 'db.sqlite3'}?mode=ro", uri=True) as database:
        query = (
            "SELECT truth FROM labeling_item AS item JOIN labeling_task AS task ON item.id = item_id WHERE task.id = ?"
        )
        return str(database.execute(query, [task]).fetchone()[0])


PICTURES = [
    Picture("label", "annie", "/p/digits/label/", "light", prepare=label_some),
    Picture("overview", "mona", "/p/digits/", "dark", 1400),
    Picture("items", "mona", "/p/digits/items/", "light"),
    Picture("model", "enzo", "/p/digits/models/{version}/", "dark"),
]


def take(picture: Picture, browser: Browser, demo: Installation, folder: Path) -> None:
    context = browser.new_context(
        base_url=demo.url,
        viewport={"width": WIDTH, "height": picture.height},
        device_scale_factor=SCALE,
        color_scheme=picture.scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto("/login/")
    page.get_by_label("Username").fill(picture.user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    page.goto(picture.path.format(version=BATCHES))
    page.wait_for_load_state("networkidle")
    picture.prepare(page, demo)
    path = folder / f"{picture.name}.png"
    path.write_bytes(small(page.screenshot()))
    sys.stdout.write(f"{path}: {path.stat().st_size // 1000} kB\n")
    context.close()


def small(png: bytes) -> bytes:
    """Reduce the picture's colours until the file is small; flat pages need few colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64):
        made = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
        if made.tell() < LARGEST:
            break
    return made.getvalue()


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images"
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit("No Chromium on this machine: install the package chromium.")
    folder.mkdir(parents=True, exist_ok=True)
    with installation(batches=BATCHES) as demo, demo.serving(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for picture in PICTURES:
            take(picture, browser, demo, folder)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
