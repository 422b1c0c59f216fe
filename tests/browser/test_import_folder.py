"""Test that the browser packs and imports a chosen or dropped folder of images."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from factories import digit_png, make_member, make_project
from playwright.sync_api import Error, Page, Route, expect
from policy import keep_to_policy

from labeling.models import Item, Project, Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Packing, sending and taking in of a small folder, on a busy machine too.
SENT = 20_000


def folder_of_digits(root: Path, n: int) -> Path:
    """Write digits in the folders "3", a class of the project, and "scans", with other files that folders contain."""
    for number in range(n):
        path = root / ("3" if number % 2 else "scans") / f"{number:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(digit_png(number % 1797))
    for name in (".DS_Store", "3/.DS_Store", "scans/notes.txt", "scans/IMG_1.HEIC"):
        (root / name).write_bytes(b"no image")
    return root


def import_page(open_page: Any, **settings: Any) -> tuple[Page, Project]:
    project = make_project(kind="image", **settings)
    return open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/import/"), project


def test_a_folder_is_packed_and_sent(open_page: Any, tmp_path: Path) -> None:
    project = make_project(kind="image")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    said = keep_to_policy(page.context)
    page.goto("/p/digits/import/")
    page.get_by_label("Choose a folder").set_input_files(folder_of_digits(tmp_path / "photos", 30))
    chosen = page.locator("#drop")
    expect(chosen).to_contain_text("30 images from photos")
    expect(chosen).to_contain_text("1 photo in HEIC or AVIF left out")
    expect(chosen).to_contain_text("1 file skipped, not image: notes.txt.")
    expect(chosen).to_contain_text("2 hidden files skipped, such as .DS_Store.")
    expect(chosen).to_contain_text("15 images in folders named after a class (3)")
    expect(page.get_by_text("15 images in folders that are no classes yet: scans")).to_be_visible()
    expect(page.get_by_label("Add 1 class")).to_be_checked()
    expect(page.get_by_text("30 labels: the model trains on them immediately.")).to_be_visible()
    page.get_by_label("Hide them, for simulation").check()
    page.get_by_label("Import them without a label").check()
    expect(page.get_by_text("15 labels, hidden from annotators.")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("30 items imported from photos.zip.")).to_be_visible(timeout=SENT)
    assert sorted(Item.objects.values_list("truth", flat=True), key=str) == [3] * 15 + [None] * 15
    assert Item.objects.filter(source="photos/3/00001.png").exists()
    assert said == []


@pytest.mark.long
def test_thousands_of_images_in_one_file(open_page: Any, tmp_path: Path) -> None:
    page, project = import_page(open_page)
    page.get_by_label("Choose a folder").set_input_files(folder_of_digits(tmp_path / "many", 6_000))
    expect(page.locator("#chosen")).to_contain_text("6,000 images from many")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("many.zip is uploaded")).to_be_visible(timeout=60_000)
    assert project.imports.get().state == "waiting"


def test_a_large_folder_goes_in_parcels(open_page: Any, tmp_path: Path) -> None:
    page, project = import_page(open_page)
    page.evaluate("document.querySelector('#upload').dataset.maxBytes = 4000")
    page.get_by_label("Choose a folder").set_input_files(folder_of_digits(tmp_path / "many", 30))
    expect(page.get_by_label("Add 1 class")).to_be_checked()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("row", name="many (1 of ")).to_be_visible(timeout=SENT)
    expect(page.get_by_text("imported from many (3 of 3).zip")).to_be_visible(timeout=SENT)
    assert Item.objects.labeled().count() == 30
    assert project.classes.filter(name="scans").count() == 1
    assert project.imports.count() == 3


DROP = """
(target) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["id,text\\na,hello\\n"], "texts.csv", { type: "text/csv" }));
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


def test_a_file_is_dropped(open_page: Any) -> None:
    project = make_project()
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/import/")
    expect(page.get_by_label("Choose a folder")).to_have_count(0)
    page.locator("#drop").evaluate(DROP)
    expect(page.locator("#chosen")).to_contain_text("texts.csv")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("1 item imported from texts.csv.")).to_be_visible()


def test_what_is_too_large_or_no_image_is_told_before_it_is_sent(open_page: Any, tmp_path: Path) -> None:
    page, project = import_page(open_page)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "letter.docx").write_bytes(b"PK")
    page.get_by_label("Choose a folder").set_input_files(tmp_path / "empty")
    expect(page.locator("#chosen")).to_contain_text("There is no image in empty that can be imported.")
    page.evaluate("document.querySelector('#upload').dataset.maxBytes = 10")
    page.get_by_label("Choose a file").set_input_files(
        files=[{"name": "a.zip", "mimeType": "application/zip", "buffer": b"PK" * 100}]
    )
    expect(page.locator("#chosen")).to_contain_text("are taken at once")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#chosen")).to_be_focused()
    assert not project.imports.exists()


def test_sending_can_be_cancelled_and_begun_again(open_page: Any, tmp_path: Path) -> None:
    page, project = import_page(open_page)
    page.get_by_label("Choose a folder").set_input_files(folder_of_digits(tmp_path / "photos", 10))
    held: list[Route] = []
    page.route("**/import/", lambda route: held.append(route))  # held, never answered
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    for route in held:  # while they are held: let go, they would arrive after all
        with suppress(Error):
            route.abort()
    page.unroute_all()
    assert not project.imports.exists()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("10 items imported from photos.zip.")).to_be_visible(timeout=SENT)


@pytest.mark.long
def test_packing_can_be_cancelled(open_page: Any, tmp_path: Path) -> None:
    page, project = import_page(open_page)
    page.get_by_label("Choose a folder").set_input_files(folder_of_digits(tmp_path / "photos", 4000))
    page.evaluate(  # a cancel that comes before the first file is read, whatever the machine's pace
        "document.querySelector('#upload button[type=submit]').click(),"
        "document.querySelector('#sending-cancel').click()"
    )
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    assert not project.imports.exists()
