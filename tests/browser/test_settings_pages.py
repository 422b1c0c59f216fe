"""The pages of settings: each a link away from the others, with Save always at hand."""

import re
from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_project
from playwright.sync_api import Page, expect
from policy import keep_to_policy

from labeling.models import LabelClass, Project, Role
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS = [({"width": 360, "height": 640}, "dark"), ({"width": 1280, "height": 800}, "light")]


def open_settings(open_page: Any, path: str = "", **options: Any) -> Page:
    project = make_project(batch_size=10, gold_share=0.1)
    make_items(project, 40)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), f"/p/digits/settings/{path}", **options)
    return page


@pytest.mark.parametrize(("size", "scheme"), some(LOOKS), ids=str)
def test_save_stays_in_view_with_what_is_typed(
    open_page: Any, screenshot: Any, size: dict[str, int], scheme: str
) -> None:
    page = open_settings(open_page, viewport=size, color_scheme=scheme)
    save = page.get_by_role("button", name="Save")
    expect(save).to_be_in_viewport(ratio=1)
    screenshot(page, f"settings-{scheme}", full=True)
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height < (3400 if size["width"] == 360 else 2000), height
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_label("Batch size").fill("20")
    expect(page.locator("[data-row=size] .was")).to_be_in_viewport()
    expect(save).to_be_in_viewport(ratio=1)
    save.click(trial=True)  # nothing lies over it
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.locator("#id_batch_size").click(trial=True)  # nor over what has the focus
    screenshot(page, f"settings-typed-{scheme}")
    assert faults(page) == []
    save.click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert Project.objects.get().batch_size == 20


def test_by_keyboard_from_page_to_page_and_to_an_error(open_page: Any) -> None:
    page = open_settings(open_page)
    pages = page.get_by_role("navigation", name="Settings", exact=True)
    pages.get_by_role("link", name="The batch").press("Enter")
    expect(pages.get_by_role("link", name="The batch")).to_have_attribute("aria-current", "page")
    page.get_by_label("Deadline, in hours").fill("soon")
    page.get_by_label("Deadline, in hours").press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Deadline, in hours")).to_be_focused()
    expect(page.get_by_label("Deadline, in hours")).to_have_value("soon")


def test_a_setting_that_was_changed_says_so(open_page: Any) -> None:
    page = open_settings(open_page, "answers/")
    expect(page.locator(".index li", has_text="Checking answers")).to_contain_text("1 changed")
    expect(page.locator("#id_gold_share")).to_have_accessible_name("Gold share changed")


def test_a_colour_is_picked_or_typed(open_page: Any, screenshot: Any) -> None:
    project = make_project("pets", classes=["cat", "dog"])
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), "/p/pets/classes/1/")
    picker, field = page.get_by_label("Pick from a palette"), page.locator("#id_colour")
    picker.fill("#cc3333")
    expect(field).to_have_value("#cc3333")
    field.fill("#3366cc")
    expect(picker).to_have_value("#3366cc")
    screenshot(page, "class-colour", full=True)
    assert faults(page) == []
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="dog")).to_be_visible()
    assert LabelClass.objects.get(index=1).colour == "#3366cc"


def test_consequences_follow_what_is_typed_also_where_settings_have_no_field(open_page: Any) -> None:
    """Vectors have no near-copies, and a field that is gone, as on a page of an earlier release, ends nothing."""
    project = make_project("irises", kind="vector", classes=["setosa", "virginica"], batch_size=10, control_share=0)
    make_items(project, 40)
    page: Page = open_page(make_member(project, "mona", Role.MANAGER))
    said = keep_to_policy(page.context)
    page.goto("/p/irises/settings/")
    expect(page.get_by_role("link", name="Near-copies")).to_have_count(0)
    rounds, privacy = page.locator("[data-row=rounds]"), page.locator("[data-row=privacy]")
    page.get_by_label("Batch size").fill("20")
    expect(rounds).to_have_text(re.compile(r"4\s+2 until no item is left"))
    page.evaluate("document.querySelector('[name=control_share]').name = 'gone'")
    page.get_by_label("Batch size").fill("40")
    expect(rounds).to_have_text(re.compile(r"4\s+1 until no item is left"))
    page.get_by_role("navigation", name="Settings", exact=True).get_by_role("link", name="Privacy").click()
    expect(rounds).to_have_count(0)
    page.get_by_label("Privacy budget ε").fill("4")
    expect(privacy).to_contain_text("10 trainings left; about")
    page.get_by_label("Noise of each training").fill("60")
    expect(privacy.locator("ins")).to_have_text("noise of 60.0")
    assert said == []


@pytest.mark.long
@pytest.mark.parametrize(("size", "scheme"), some(LOOKS), ids=str)
def test_short_texts_take_two_lines_of_the_list(
    open_page: Any, screenshot: Any, size: dict[str, int], scheme: str
) -> None:
    project = make_project(classes=["good", "bad"])
    make_items(project, 40)
    project.items.update(label=1)
    page: Page = open_page(
        make_member(project, "mona", Role.MANAGER), "/p/digits/items/", viewport=size, color_scheme=scheme
    )
    heights = page.locator(".items > li").evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().height)")
    assert len(heights) == 40
    assert max(heights) <= 64, max(heights)
    screenshot(page, f"items-of-texts-{scheme}")
