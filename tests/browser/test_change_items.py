"""Test that a manager finds, selects, excludes, deletes and restores items by keyboard, in all sizes and colour
schemes.
"""

from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.labels.items import search
from labeling.models import Project, Role
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def owls(kind: str = "text") -> Project:
    project = make_project("owls", kind=kind, name="Owls", classes=["barn owl", "tawny owl", "no owl"])
    items = make_items(project, 12)
    for number, item in enumerate(items):
        if kind == "text":
            item.data = {"text": f"A {'barn' if number % 2 else 'tawny'} owl, number {number}.", "camera": "north"}
            item.save(update_fields=["data"])
    make_open_batch(project, items[:4])
    make_member(project, "mona", Role.MANAGER)
    search.catch_up()
    return project


def test_search_select_exclude_and_take_back(open_page: Any, screenshot: Any) -> None:
    project = owls()
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    said = keep_to_policy(page.context)
    page.goto("/p/owls/items/")
    page.get_by_label("Words").fill("barn camera:north")
    page.keyboard.press("Enter")
    expect(page.get_by_text("6 items match", exact=True)).to_be_visible()
    page.get_by_role("checkbox", name="Select item-0001").focus()
    page.keyboard.press("Space")
    page.get_by_role("checkbox", name="Select item-0009").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    screenshot(page, "items-selected", full=True)
    page.get_by_label("What to do with the selected items").select_option("exclude")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("2 items will be excluded.")).to_be_visible()
    expect(page.get_by_text("1 task of the open batch will be closed.")).to_be_visible()
    page.get_by_label("Reason").fill("No owl in it")
    screenshot(page, "items-exclude", full=True)
    page.get_by_role("button", name="Exclude").click()
    expect(page.get_by_text("2 items are excluded.")).to_be_visible()
    assert project.items.excluded().count() == 2
    assert project.batches.get().size == 3
    expect(page.get_by_text("4 items match", exact=True)).to_be_visible()
    page.get_by_text("More filters").click()
    page.get_by_label("Excluded").select_option("excluded")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("2 items match", exact=True)).to_be_visible()
    page.locator("a.item", has_text="item-0001").click()
    expect(page.get_by_text("Reason: No owl in it")).to_be_visible()
    screenshot(page, "item-excluded", full=True)
    page.get_by_role("link", name="Include again").click()
    page.get_by_role("button", name="Include again").click()
    expect(page.get_by_text("1 item is included again.")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("It will be deleted for good on")).to_be_visible()
    page.goto("/p/owls/items/?deleted=true")
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("1 item is restored.")).to_be_visible()
    assert not said


def test_nothing_selected_is_said(open_page: Any) -> None:
    page: Page = open_page(make_member(owls(), "mona", Role.MANAGER))
    page.goto("/p/owls/items/")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("Select items first.")).to_be_visible()


@pytest.mark.parametrize("scheme", some(["dark", "light"]))
@pytest.mark.parametrize("kind", some(["image", "text"]))
def test_it_is_readable_on_a_phone(kind: str, scheme: str, open_page: Any, screenshot: Any) -> None:
    page: Page = open_page(make_member(owls(kind), "mona", Role.MANAGER), color_scheme=scheme, **PHONE)
    page.goto("/p/owls/items/")
    page.get_by_role("checkbox", name="Select item-0001").check()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    screenshot(page, f"items-phone-{kind}-{scheme}", full=True)
    assert not faults(page)
