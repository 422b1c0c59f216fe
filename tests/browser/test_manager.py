"""Test a manager's journey in a browser, from a new project to its annotators."""

import re
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from factories import digit_png, make_items, make_member, make_open_batch, make_project, make_user
from playwright.sync_api import Browser, Page, expect
from policy import keep_to_policy
from ways import go

from labeling.models import Batch, Item, Project, Role, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer

# What appears by itself does so within a few seconds.
BY_ITSELF = 15_000

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def zip_of_digits(path: Path, n: int) -> Path:
    """Return a zip of real digits as PNG files, with one file that is no image."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(n):
            archive.writestr(f"scans/{number:03}.png", digit_png(number))
        archive.writestr("scans/notes.png", b"not an image")
    return path


def test_from_a_new_project_to_people_who_label_it(
    open_page: Any, screenshot: Any, browser: Browser, live_server: Any, tmp_path: Path
) -> None:
    page: Page = open_page(make_user("mona", is_staff=True))
    said = keep_to_policy(page.context)
    page.goto("/")

    # A project; its address follows its name.
    page.get_by_role("link", name="Create your first project").click()
    page.get_by_label("Name", exact=True).fill("Handwritten Zahlen – №1")
    expect(page.get_by_label("Short name")).to_have_value("handwritten-zahlen-no1")
    page.get_by_label("Classes", exact=True).fill("\n".join(str(digit) for digit in range(10)))
    page.get_by_label("Batch size").fill("20")
    page.get_by_role("button", name="Create the project").click()
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("alert").get_by_role("link", name="What is to be labeled?").click()
    page.get_by_label("Images").check()
    screenshot(page, "manager-new-error", full=True)
    page.get_by_role("button", name="Create the project").click()

    # Its items.
    expect(page).to_have_url(f"{live_server.url}/p/handwritten-zahlen-no1/import/")
    expect(page.get_by_label("Choose a folder")).to_be_visible()  # the script is there
    page.get_by_label("Choose a file").set_input_files(zip_of_digits(tmp_path / "digits.zip", 60))
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("60 items imported from digits.zip. 1 row rejected")).to_be_visible()
    page.get_by_role("link", name="1 rows of digits.zip").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert "notes.png" in download.value.path().read_text()
    for row, item in enumerate(Item.objects.order_by("pk")):  # test_newcomer.py waits for a worker to encode and pick
        Item.objects.filter(pk=item.pk).update(row=row)
    make_open_batch(Project.objects.get(), Item.objects.filter(row__lt=20).order_by("row"))
    go(page, "Insights", "Batches")
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("heading", name="Batch 1", exact=True)).to_be_visible()

    # What a setting leads to, before it is saved.
    go(page, "Settings")
    rounds = page.locator("[data-row=rounds]")
    expect(rounds).to_contain_text("2 until no item is left")
    page.get_by_label("Batch size").fill("40")
    expect(rounds).to_have_text(re.compile(r"2\s+1 until no item is left"))
    page.get_by_label("Cost of an hour").fill("30")
    expect(page.locator("[data-row=cost]")).to_contain_text("EUR")
    screenshot(page, "manager-settings-live")
    page.get_by_label("Batch size").fill("")
    expect(page.locator("#consequence-warnings")).to_contain_text("Batch size: Enter a whole number from 1")
    page.get_by_label("Batch size").fill("30")
    expect(page.locator("#consequence-warnings")).not_to_contain_text("Batch size")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert (Project.objects.get().batch_size, Project.objects.get().hourly_cost) == (30, 30)

    # Somebody who labels, with an account made at the link that is read from the page.
    go(page, "Settings", "Members")
    page.get_by_role("button", name="Make links").click()
    expect(page.get_by_role("heading", name="The invitation is ready")).to_be_visible()
    link = page.get_by_label("Send this link").input_value()
    other = browser.new_context(base_url=live_server.url)
    try:
        annie = other.new_page()
        annie.goto(link)
        annie.get_by_label("Username").fill("annie")
        annie.get_by_label("Password", exact=True).fill("long-and-odd-7")
        annie.get_by_label("Password confirmation").fill("long-and-odd-7")
        annie.get_by_role("button", name="Create my account and join").click()
        expect(annie.locator('#content[data-state="item"]')).to_be_visible()
        annie.goto(annie.url.removesuffix("label/"))
        expect(annie.get_by_text("20 items wait for an answer.")).to_be_visible()
        expect(annie.get_by_role("button", name="Pause")).to_have_count(0)
    finally:
        other.close()

    # And out again.
    go(page, "Settings", "Members")
    page.get_by_role("button", name="Change annie").click()
    page.get_by_role("link", name="Remove annie").click()
    page.get_by_role("button", name="Remove annie").click()
    expect(page.get_by_text("annie is no longer a member")).to_be_visible()

    go(page, "Home")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: annotators get no items until you start again.")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("The loop is running.")).to_be_visible()
    # The browser also reports the forms that were sent back with status 400: that is meant.
    assert [text for text in said if "400" not in text] == []


def test_the_overview_follows_the_loop_by_itself(open_page: Any) -> None:
    project = make_project(kind="image", name="Digits")
    batch = make_open_batch(project, make_items(project, 3))
    annie = make_member(project, "annie")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/")
    page.get_by_role("button", name="Stop").focus()
    expect(page.get_by_text("0 of 3 done")).to_be_visible(timeout=BY_ITSELF)
    answer(project, annie, 2)
    expect(page.get_by_text("2 of 3 done")).to_be_visible(timeout=BY_ITSELF)
    answer(project, annie, 1)
    expect(page.get_by_text("The model is training on it.")).to_be_visible(timeout=BY_ITSELF)
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    batch.jobs.update(state="running", share=0.42, phase="training the model", worker="elsewhere:1:a")
    expect(page.get_by_text("training the model · 42\u00a0%")).to_be_visible(timeout=BY_ITSELF)
    Batch.objects.filter(pk=batch.pk).update(state="failed", failed_in="training", reason="The disk is full.")
    expect(page.get_by_text("Batch 1 has failed. The disk is full.")).to_be_visible(timeout=BY_ITSELF)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Batch 1 continues.")).to_be_visible(timeout=BY_ITSELF)


def test_a_manager_watches_a_batch_and_how_it_goes(open_page: Any, screenshot: Any) -> None:
    project = make_project(kind="image", name="Digits")
    make_open_batch(project, make_items(project, 6))
    annie = make_member(project, "annie")
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/")
    answer(project, annie, 2)
    queue.claim(project=project, user=annie, count=1)
    expect(page.get_by_text("annie at work")).to_be_visible(timeout=BY_ITSELF)
    expect(page.get_by_role("img", name="2 answered")).to_be_visible()
    screenshot(page, "manager-watching", full=True)
    go(page, "Insights", "Pace and people")
    expect(page.get_by_role("img", name="2 answers within")).to_be_visible()
    page.get_by_text("The figures").first.click()
    expect(page.get_by_role("columnheader", name="Answers").first).to_be_visible()
    screenshot(page, "manager-progress", full=True)


def answer(project: Project, user: User, n: int) -> None:
    for task in queue.claim(project=project, user=user, count=n).tasks:
        submitting.submit(project=project, user=user, answers=[Answer(id=uuid.uuid4(), task=task.pk, value=1)])


def test_without_scripts_everything_works(open_page: Any, tmp_path: Path) -> None:
    page: Page = open_page(make_user("mona", is_staff=True), "/new/", java_script_enabled=False)
    page.get_by_label("Name", exact=True).fill("Letters")
    page.get_by_label("Texts").check()
    page.get_by_label("Classes", exact=True).fill("good\nbad")
    page.get_by_role("button", name="Create the project").click()
    page.get_by_label("Choose a file").set_input_files(
        files=[{"name": "a.csv", "mimeType": "text/csv", "buffer": b"id,text\n1,hello\n2,\n"}]
    )
    page.get_by_label("Refuse the whole file").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("#id_file_error")).to_contain_text("Nothing was imported: 1 bad row")
    expect(page.get_by_label("Refuse the whole file")).to_be_checked()
    page.goto("/p/letters/settings/")
    page.get_by_label("Batch size").fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()


def test_an_upload_that_breaks_off_can_be_sent_again(open_page: Any) -> None:
    project = make_project()
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/digits/import/")
    page.get_by_label("Choose a file").set_input_files(
        files=[{"name": "a.csv", "mimeType": "text/csv", "buffer": b"id,text\n1,hello\n"}]
    )
    page.route("**/import/", lambda route: route.abort())
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("The connection was lost. Nothing was imported")).to_be_visible()
    page.unroute("**/import/")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("1 item imported from a.csv.")).to_be_visible()


def test_projects_are_made_by_keyboard_alone(open_page: Any) -> None:
    page: Page = open_page(make_user("mona", is_staff=True), "/new/")
    page.get_by_label("Name", exact=True).focus()
    keys = page.keyboard
    keys.type("Signs")
    for text in ("Tab", "Tab", "Space", "Tab", "ArrowDown", "Tab", "Tab"):  # also past "More about Classes"
        keys.press(text)
    keys.type("stop")
    keys.press("Enter")
    keys.type("yield")
    expect(page.get_by_label("Images")).to_be_checked()
    expect(page.get_by_label("Any number of classes")).to_be_checked()
    page.get_by_label("Batch size").focus()
    keys.press("Enter")
    expect(page.get_by_text("Signs is created, with the short name signs. You are its manager.")).to_be_visible()
    assert Project.objects.get().question == "multi"


def test_errors_stand_beside_their_fields(open_page: Any, screenshot: Any) -> None:
    page: Page = open_page(make_user("mona", is_staff=True), "/new/", **PHONE)
    page.get_by_label("Name", exact=True).fill("Signs")
    page.get_by_label("Classes", exact=True).fill("stop\nyield\nstop")
    page.get_by_label("Batch size").fill("0")
    page.get_by_role("button", name="Create the project").click()
    screenshot(page, "manager-errors-phone", full=True)
    assert page.get_by_label("Name", exact=True).input_value() == "Signs"
    wrong = page.locator("[aria-describedby$=_error]")
    assert wrong.count() == 3
    for field in wrong.all():
        assert page.locator(f"#{field.get_attribute('aria-describedby').split()[-1]}").is_visible()
