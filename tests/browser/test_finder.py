"""Test that pages and settings are found by keyboard."""

from typing import Any

import pytest
from axe import faults
from factories import make_member, make_project
from playwright.sync_api import Page, expect

from labeling.models import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_setting_is_found_by_keyboard(open_page: Any, screenshot: Any) -> None:
    page: Page = open_page(make_member(make_project(), "mona", Role.MANAGER), "/p/digits/items/")
    expect(page.get_by_role("button", name="Find")).to_be_visible()
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="A page, a setting, an item, a batch or a person")
    expect(field).to_be_focused()
    dialog = page.get_by_role("dialog", name="Find")
    expect(dialog.get_by_role("option", name="Label")).to_have_attribute("aria-selected", "true")
    page.keyboard.type("gold")
    expect(dialog.get_by_role("option").first).to_contain_text("Gold share")
    assert faults(page) == []
    screenshot(page, "finder")
    page.keyboard.press("ArrowUp")
    expect(dialog.get_by_role("option", name="Items with “gold”")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    active = field.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_contain_text("Gold share")
    page.keyboard.press("Enter")
    page.wait_for_url("**/p/digits/settings/answers/#id_gold_share")


def test_escape_closes_it_and_a_click_opens_what_is_found(open_page: Any) -> None:
    page: Page = open_page(make_member(make_project(), "ann", Role.ANNOTATOR), "/p/digits/")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("dialog", name="Find")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Find")).to_be_hidden()
    expect(page.get_by_role("button", name="Find")).to_be_focused()
    page.keyboard.press("Control+k")
    page.get_by_role("option", name="Batches").click()
    page.wait_for_url("**/p/digits/batches/")
