"""Test the annotator's screen in Arabic, from right to left, and in German on a phone."""

from typing import Any

import pytest
from axe import faults
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import Page, expect
from test_offline import wait_until_kept

from labeling.models import Annotation, Project

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
ARABIC = {"locale": "ar"}


def verify_project(**settings: Any) -> Project:
    project = make_project(kind="text", question="verify", classes=["cat", "dog"], prompt="", **settings)
    make_open_batch(project, make_items(project, 6, proposed=1, data={"text": "A bark (loud)."}))
    return project


def is_left_of(page: Page, one: str, other: str) -> bool:
    first, second = (page.locator(place).bounding_box() for place in (one, other))
    assert first
    assert second
    return bool(first["x"] < second["x"])


def test_arrows_go_the_way_that_people_see(open_screen: Any) -> None:
    """Yes is on the left, so the left arrow says yes."""
    project = verify_project()
    screen = open_screen(project, make_member(project, "annie"), **ARABIC)
    page = screen.page
    assert is_left_of(page, '[data-value="true"]', '[data-value="false"]')
    screen.answer("ArrowLeft", "ArrowRight")
    expect(screen.told).to_have_text("الإجابة: لا")
    screen.wait_until_sent()
    assert [*Annotation.objects.order_by("task__rank").values_list("value", flat=True)] == [True, False]
    screen.press(" ")
    page.get_by_role("button", name="لا يمكن تمييزه").click()
    expect(screen.told).to_have_text("تم التخطي: لا يمكن تمييزه")
    screen.wait_until_sent()
    assert Annotation.objects.exclude(skip_reason="").get().skip_reason == "Cannot be made out"
    assert page.locator("#item .text").evaluate("(text) => getComputedStyle(text).direction") == "ltr"


def test_a_grid_runs_from_right_to_left(open_screen: Any) -> None:
    project = verify_project(grids=True)
    screen = open_screen(project, make_member(project, "annie"), **ARABIC)
    page = screen.page
    cells = page.locator("#grid .cell")
    expect(cells.first).to_be_visible()
    screen.press("ArrowLeft")
    expect(cells.nth(1)).to_be_focused()
    first, second = cells.nth(0).bounding_box(), cells.nth(1).bounding_box()
    assert second["x"] < first["x"] or second["y"] > first["y"]
    page.wait_for_timeout(400)
    screen.press(" ")
    expect(page.locator("#grid-said")).to_have_text("تأكيد: 5 صحيح، 1 خطأ")


def test_a_phone_in_german(open_screen: Any) -> None:
    project = verify_project()
    screen = open_screen(project, make_member(project, "annie"), locale="de", **PHONE)
    page = screen.page
    for name in ("Rückgängig", "Überspringen", "Melden", "Regeln"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {**PHONE, "color_scheme": "dark"}])
def test_no_page_of_the_day_has_a_fault_in_arabic(open_page: Any, look: dict[str, Any]) -> None:
    project = verify_project()
    page = open_page(make_member(project, "annie"), **look, **ARABIC, reduced_motion="reduce")
    found = []
    for path in ("/", f"/p/{project.slug}/label/", "/account/", "/account/notices/", "/account/notices/choices/"):
        page.goto(path)
        if path.endswith("/label/"):
            expect(page.locator('#content[data-state="item"]')).to_be_visible()
            page.keyboard.press("?")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        found += [f"{path}: {fault}" for fault in faults(page)]
    assert found == []


def test_the_words_are_there_without_a_network(open_screen: Any) -> None:
    project = verify_project(kept_ready=10)
    screen = open_screen(project, make_member(project, "annie"), **ARABIC)
    page = screen.page
    wait_until_kept(page, 6, files=0)
    page.context.set_offline(True)
    screen.reload()
    screen.answer("ArrowLeft")
    expect(screen.unsent).to_contain_text("بلا اتصال: إجابة واحدة")
