"""Test the steps of docs/tutorial/first-batch.md in a browser, from an empty database to an export.

Only a browser and a worker run, so that the pages must offer all that a newcomer needs.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect
from policy import keep_to_policy
from processes import worker
from screen import SEES_MS
from ways import go

from labeling.models import Batch, Item, Project, User
from labeling.web.account import first_account

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Steps of the worker, on a busy machine.
WORK = 120_000
SHAPES = ("circle", "square")


def folder_of_shapes(root: Path, n: int) -> Path:
    """Write `n` different drawings in a folder for each shape, with other files that folders contain."""
    rng = np.random.default_rng(7)
    for number in range(n):
        shape = SHAPES[number % 2]
        image = Image.new("RGB", (48, 48), tuple(rng.integers(200, 256, 3).tolist()))
        x, y, size = rng.integers(4, 16), rng.integers(4, 16), rng.integers(18, 28)
        draw = ImageDraw.Draw(image)
        ink = tuple(rng.integers(0, 120, 3).tolist())
        (draw.ellipse if shape == "circle" else draw.rectangle)((x, y, x + size, y + size), fill=ink)
        path = root / shape / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    (root / ".DS_Store").write_bytes(b"\0")
    (root / "read me.txt").write_text("My drawings.")
    return root


def first_account_and_project(page: Page, folder: Path) -> None:
    """Do steps 1 and 2 of the tutorial."""
    page.goto(first_account.link())
    page.get_by_label("Username").fill("nora")
    page.get_by_label("Password", exact=True).fill("long-and-odd-7")
    page.get_by_label("Password confirmation").fill("long-and-odd-7")
    page.get_by_role("button", name="Create my account").click()
    expect(page.get_by_role("heading", name="New project")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Circles and squares")
    expect(page.get_by_label("Short name")).to_have_value("circles-and-squares")
    page.get_by_label("Images").check()
    page.get_by_label("One class of many").check()
    page.get_by_label("Use the names of my folders").set_input_files(folder)
    expect(page.get_by_label("Classes", exact=True)).to_have_value("circle\nsquare")
    page.get_by_label("Batch size").fill("10")
    page.get_by_role("button", name="Create the project").click()
    expect(page.get_by_role("heading", name="Import items")).to_be_visible()


def import_folder(page: Page, folder: Path) -> None:
    """Do step 3 of the tutorial."""
    page.get_by_label("Choose a folder").set_input_files(folder)
    expect(page.locator("#drop")).to_contain_text("40 images from drawings")
    expect(page.locator("#drop")).to_contain_text("1 file skipped, not image: read me.txt.")
    page.get_by_label("Ignore them").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("40 items imported from drawings.zip.")).to_be_visible(timeout=WORK)
    expect(page.get_by_text("40 items in the pool.")).to_be_visible(timeout=WORK)


def label_batch(page: Page) -> None:
    """Do step 4 of the tutorial, by keyboard, with the shape from the file in place of a look at the picture."""
    expect(page.locator('#content[data-state="item"]')).to_be_visible(timeout=WORK)
    for left in range(10, 0, -1):
        stage = page.locator("#stage[data-task]")
        task = stage.get_attribute("data-task")
        item = Item.objects.get(task__pk=task)
        page.wait_for_timeout(SEES_MS)
        page.keyboard.press("1" if "/circle/" in item.source else "2")
        if left > 1:
            expect(page.locator(f'#stage[data-task="{task}"]')).to_have_count(0)


def export_rows(page: Page) -> list[dict[str, str]]:
    """Do step 6 of the tutorial."""
    go(page, "Data", "Export")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_from_an_empty_database_to_an_export(
    browser: Browser, live_server: Any, tmp_path: Path, screenshot: Any
) -> None:
    folder = folder_of_shapes(tmp_path / "drawings", 40)
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    page = context.new_page()
    said = keep_to_policy(context)
    try:
        first_account_and_project(page, folder)
        with worker():
            import_folder(page, folder)
            screenshot(page, "newcomer-imported", full=True)
            page.get_by_role("link", name="see how the batch goes").first.click()
            expect(page.get_by_role("heading", name="Batch 1")).to_be_visible(timeout=WORK)
            page.get_by_role("navigation").get_by_role("link", name="Label", exact=True).click()
            label_batch(page)
            # The model is trained, and the next batch opens by itself.
            expect(page.locator('#content[data-state="item"]')).to_be_visible(timeout=WORK)
            assert Batch.objects.get(number=2).state == "open"
            screenshot(page, "newcomer-second-batch")
        page.goto("/p/circles-and-squares/")
        rows = export_rows(page)
    finally:
        context.close()
    assert len(rows) == 10
    assert {row["label"] for row in rows} <= set(SHAPES)
    assert all(f"/{row['label']}/" in row["file_name"] for row in rows)
    assert {(row["labeled_by"], row["origin"]) for row in rows} == {("nora", "person")}
    assert User.objects.get().username == "nora"
    assert Project.objects.get().encoded_rows == 40
    assert said == []
