"""A project that starts with its file, or with a folder of photos: in Chromium."""

from pathlib import Path
from typing import Any

import pytest
from factories import digit_png, make_user
from playwright.sync_api import expect
from policy import keep_to_policy

from labeling.models import Project

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TICKETS = "Ticket;Nachricht;Thema;Land\n" + "".join(
    f"T{n};Wo bleibt mein Paket {n}?;{('Versand', 'Rechnung', 'Lob')[n % 3]};{('AT', 'DE')[n % 2]}\n" for n in range(30)
)


def opened(open_page: Any) -> tuple[Any, list[str]]:
    page = open_page(make_user("otto", is_staff=True), "/new/")
    return page, keep_to_policy(page.context)


def test_a_table_is_shown_and_becomes_a_project(open_page: Any, screenshot: Any) -> None:
    page, said = opened(open_page)
    page.get_by_label("Choose a file").set_input_files(
        {"name": "tickets.csv", "mimeType": "text/csv", "buffer": TICKETS.encode()}
    )
    expect(page.get_by_text("with 30 rows. Nothing has been created yet.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Tickets")
    expect(page.get_by_label("Texts: sentences")).to_be_checked()
    expect(page.get_by_role("button", name="Show again")).to_be_hidden()  # the script is there
    classes = page.get_by_label("Classes", exact=True)
    expect(classes).to_have_value("Versand\nRechnung\nLob")
    page.get_by_label("Label", exact=True).select_option("Land")
    expect(classes).to_have_value("AT\nDE")
    page.get_by_label("Label", exact=True).select_option("Thema")
    expect(classes).to_have_value("Versand\nRechnung\nLob")
    screenshot(page, "new-from-file", full=True)
    page.get_by_role("button", name="Create the project and import the file").click()
    expect(page.get_by_text("30 items imported from tickets.csv.")).to_be_visible(timeout=20_000)
    assert Project.objects.get().slug == "tickets"
    assert said == []


def test_a_folder_of_photos_is_packed_and_shown(open_page: Any, screenshot: Any, tmp_path: Path) -> None:
    page, said = opened(open_page)
    for number in range(8):
        path = tmp_path / "birds" / ("owl" if number % 2 else "tit") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(digit_png(number))
    page.get_by_label("Choose a folder").set_input_files(tmp_path / "birds")
    expect(page.locator("#first-rows img")).to_have_count(2)
    expect(page.get_by_label("Classes", exact=True)).to_have_value("owl\ntit")
    screenshot(page, "new-from-folder", full=True)
    page.get_by_role("button", name="Create the project and import the file").click()
    expect(page.get_by_text("8 items imported from birds.zip.")).to_be_visible(timeout=20_000)
    assert said == []


def test_a_bad_file_is_told_in_a_line(open_page: Any) -> None:
    page, _ = opened(open_page)
    page.get_by_label("Choose a file").set_input_files(
        {"name": "notes.docx", "mimeType": "application/zip", "buffer": b"PK not read"}
    )
    expect(page.locator("#upload .errorlist")).to_contain_text("notes.docx: this kind of file is not read")
    assert not Project.objects.exists()
