"""Test that a manager archives, copies, transfers, deletes and restores a project."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_manager_archives_copies_and_deletes(open_page: Any, screenshot: Any) -> None:
    project = make_project("owls", classes=["owl", "none"], name="Owls at the feeder")
    make_open_batch(project, make_items(project, 4))
    page = open_page(make_member(project, "mona", Role.MANAGER), "/p/owls/settings/")
    page.get_by_role("link", name="Archive, copy or delete it").click()
    expect(page.get_by_text("holds 4 items with 0 labels")).to_be_visible()
    screenshot(page, "manage", full=True)
    page.emulate_media(color_scheme="dark")
    screenshot(page, "manage-dark", full=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 360, "height": 740})
    screenshot(page, "manage-phone", full=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 800})

    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("This project is archived: it can be read")).to_be_visible()
    screenshot(page, "manage-archived", full=True)
    page.goto("/")
    expect(page.get_by_text("Owls at the feeder")).to_have_count(0)
    screenshot(page, "home-archived")
    page.get_by_role("link", name="Show 1 archived project").click()
    page.get_by_role("link", name="Owls at the feeder").click()
    page.get_by_role("link", name="Unarchive it").click()
    page.get_by_role("button", name="Unarchive").click()
    expect(page.get_by_text("The project is open again")).to_be_visible()

    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("This is Owls at the feeder (copy)")).to_be_visible()

    page.goto("/p/owls/manage/")
    page.get_by_label("Name of the project").fill("Owls")
    page.get_by_role("button", name="Delete this project").click()
    expect(page.locator("#delete .errorlist")).to_contain_text("To confirm, enter the project's name")
    screenshot(page, "manage-wrong-name", full=True)
    page.get_by_label("Name of the project").fill("Owls at the feeder")
    page.get_by_role("button", name="Delete this project").click()
    expect(page.get_by_text("Owls at the feeder is deleted.")).to_be_visible()
    screenshot(page, "deleted-projects")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    screenshot(page, "deleted-projects-phone-dark")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Owls at the feeder is restored.")).to_be_visible()


@pytest.mark.long
def test_she_hands_it_over(open_page: Any, screenshot: Any) -> None:
    project = make_project("owls", classes=["owl", "none"], name="Owls at the feeder")
    make_member(project, "ann")
    page = open_page(make_member(project, "mona", Role.MANAGER), "/p/owls/members/")
    screenshot(page, "members-hand-over", full=True)
    page.get_by_role("button", name="Change ann").click()
    page.get_by_role("link", name="Hand over the project to ann").click()
    expect(page.get_by_text("ann becomes a manager")).to_be_visible()
    page.get_by_label("You become").select_option("engineer")
    screenshot(page, "transfer", full=True)
    page.get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("ann manages Owls at the feeder now, and you are its engineer.")).to_be_visible()
