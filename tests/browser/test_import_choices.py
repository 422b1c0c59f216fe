"""Files of one's own come in through their page: seen as items, columns and labels chosen by mouse, finger or keys."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from axe import faults
from django.db.models import F
from factories import digit_png, make_member, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import Item, Project, Role
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TICKETS = "Ticket;Nachricht;Kategorie;Land\n" + "".join(
    f"T{n};Wo bleibt mein Päckchen Nummer {n}? Es sollte schon vor Tagen hier sein.;"
    f"{('Versand', 'Rechnung', 'Lob')[n % 3]};Österreich\n"
    for n in range(12)
)
LOOKS: dict[str, dict[str, Any]] = {
    "laptop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
}


def opened(open_page: Any, kind: str = "text", **options: Any) -> tuple[Page, Any]:
    project = make_project("tickets", kind=kind, classes=["Versand", "Rechnung"])
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), **options)
    said = keep_to_policy(page.context)
    page.goto("/p/tickets/import/")
    return page, said


def choose(page: Page, tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_bytes(TICKETS.encode("cp1252"))
    page.get_by_label("Choose a file").set_input_files(tmp_path / "tickets.csv")


@pytest.mark.parametrize("look", some(list(LOOKS)))
def test_an_export_of_excel_is_seen_and_mended_before_it_comes_in(
    open_page: Any, screenshot: Any, tmp_path: Path, look: str
) -> None:
    page, said = opened(open_page, **LOOKS[look])
    screenshot(page, f"import-empty-{look}", full=True)
    choose(page, tmp_path)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="tickets.csv")).to_be_visible()
    expect(page.locator("#first-rows")).to_contain_text("Wo bleibt mein Päckchen Nummer 0?")
    screenshot(page, f"import-parked-{look}", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults(page) == []
    page.get_by_label("Id", exact=True).select_option("")
    expect(page.locator("#first-rows dt").first).to_have_text("Ticket")
    expect(page.get_by_label("Id", exact=True)).to_be_focused()
    page.get_by_label("Land").check()
    expect(page.locator("#first-rows")).not_to_contain_text("Österreich")
    page.get_by_label("Labels I trust").check()
    expect(page.get_by_label("Add 1 class")).to_be_checked()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("12 items imported from tickets.csv.")).to_be_visible()
    assert {item.label for item in Item.objects.all()} == {0, 1, 2}
    Item.objects.update(row=F("pk"))
    Project.objects.update(encoded_rows=12)
    expect(page.get_by_text("12 items in the pool.")).to_be_visible()
    expect(page.get_by_text("All 12 items are labeled").filter(visible=True)).to_have_count(1)
    page.reload()
    expect(page.get_by_text("All 12 items are labeled").filter(visible=True)).to_have_count(1)
    assert Item.objects.first().data.keys() == {"text", "Ticket"}
    assert said == []


def test_by_keys_alone(open_page: Any, tmp_path: Path) -> None:
    page, _ = opened(open_page)
    choose(page, tmp_path)
    page.get_by_role("button", name="Look at it first").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Text", exact=True).focus()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Id", exact=True)).to_be_focused()
    page.keyboard.press("L")  # selects Land, which is not unique
    discard = page.get_by_role("button", name="Discard")
    discard.focus()
    expect(page.locator("#parked")).not_to_have_attribute("aria-busy", "true")
    expect(discard).to_be_focused()  # rows that are shown anew leave the focus where it is
    expect(page.locator("#first-rows")).to_contain_text("Österreich")
    page.get_by_label("Labels I trust").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Known answers, for gold items")).to_be_checked()
    discard.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("tickets.csv was discarded.")).to_be_visible()
    assert not Item.objects.exists()


def test_folders_ask_what_they_say(open_page: Any, screenshot: Any, tmp_path: Path) -> None:
    page, said = opened(open_page, "image")
    for number in range(12):
        path = tmp_path / "photos" / ("Versand" if number % 2 else "Rechnung") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(digit_png(number))
    expect(page.get_by_text("What do the folder names mean?")).to_be_hidden()
    page.get_by_label("Choose a folder").set_input_files(tmp_path / "photos")
    expect(page.get_by_text("12 labels: the model trains on them immediately.")).to_be_visible()
    expect(page.get_by_text("No items would be left to label.").first).to_be_visible()
    screenshot(page, "import-folders", full=True)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("12 items imported from photos.zip.")).to_be_visible(timeout=20_000)
    assert {item.label for item in Item.objects.all()} == {0, 1}
    assert said == []


def test_a_zip_of_photos_shows_them(open_page: Any, screenshot: Any, tmp_path: Path) -> None:
    page, said = opened(open_page, "image")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for number in range(8):
            archive.writestr(f"{('Versand', 'Rechnung', 'Lob')[number % 3]}/{number}.png", digit_png(number))
    page.get_by_label("Choose a file").set_input_files(tmp_path / "photos.zip")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#first-rows img")).to_have_count(3)  # one of each class
    for image in page.locator("#first-rows img").all():
        expect(image).to_have_js_property("naturalWidth", 8)
    screenshot(page, "import-parked-photos", full=True)
    page.get_by_label("Hide them, for simulation").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("8 items imported from photos.zip.")).to_be_visible(timeout=20_000)
    assert [item.label for item in Item.objects.all()] == [None] * 8
    assert said == []


@pytest.mark.parametrize("look", some(list(LOOKS)))
def test_several_photos_of_a_gallery_go_in_together(open_page: Any, screenshot: Any, tmp_path: Path, look: str) -> None:
    page, said = opened(open_page, "image", **LOOKS[look])
    paths = [tmp_path / folder / "image.png" for folder in "abc"]  # a phone gives them one name
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(digit_png(number))
    page.get_by_label("Choose a file or several").set_input_files(paths)
    expect(page.get_by_text("3 images from images")).to_be_visible()
    screenshot(page, f"import-several-{look}", full=True)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("3 items imported from images.zip.")).to_be_visible(timeout=20_000)
    assert Item.objects.count() == 3
    assert said == []


def test_classes_are_offered_unless_labels_are_ignored(open_page: Any, screenshot: Any, tmp_path: Path) -> None:
    page, _ = opened(open_page)
    choose(page, tmp_path)
    page.get_by_role("button", name="Import", exact=True).click()
    box = page.get_by_label("Add 1 class")
    expect(box).to_be_checked()
    page.get_by_label("Ignore them").check()
    expect(box).to_be_hidden()
    page.get_by_label("Known answers, for gold items").check()
    screenshot(page, "import-adds-classes", full=True)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("1 class added: Lob.")).to_be_visible()
    assert {item.gold for item in Item.objects.all()} == {0, 1, 2}
