"""Test near-copies on a phone: one row above the answers, which scrolls sideways."""

from typing import Any

import pytest
from playwright.sync_api import expect
from strip import copy, heading, open_copies, see, strip, words
from world import project_with_copies

from labeling.models import Task
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
LYING: dict[str, Any] = {**PHONE, "viewport": {"width": 740, "height": 360}}
OVERFLOW = "() => { const page = document.querySelector('#content'); return page.scrollHeight - page.clientHeight; }"


def test_on_a_phone_copies_outside_of_the_row_count_once_they_were_scrolled_to(
    open_screen: Any, screenshot: Any
) -> None:
    screen = open_copies(open_screen, project_with_copies("text", beside=12), **PHONE)
    page = screen.page
    expect(heading(page)).to_have_text("The same answer for 2 more, scroll for 10 others")
    screenshot(page, "copies-phone-many")
    copy(page, 2).tap()
    [first] = screen.answer("3")
    see(screen)
    page.locator("#copies-list").evaluate("(list) => list.scrollTo(9999, 0)")
    expect(heading(page)).to_have_text("The same answer for 4 more, scroll for 8 others")
    screen.look()
    [second] = screen.answer("4")
    screen.wait_until_sent()
    assert words(first) == {1: True, 2: False}
    assert words(second) == dict.fromkeys((1, 2, 11, 12), True)


@pytest.mark.parametrize("kind", some(["image", "text"]))
def test_on_a_phone_fingers_hit_the_copies_and_nothing_moves(open_screen: Any, screenshot: Any, kind: str) -> None:
    project = project_with_copies(kind)
    # The second item has one copy, the third has none.
    tasks = Task.objects.order_by("rank")
    for task, kept in ((tasks[1], 1), (tasks[2], 0)):
        for each in task.shown.copies.order_by("height")[kept:]:
            each.delete()
    screen = open_copies(open_screen, project, **PHONE)
    page = screen.page
    screenshot(page, f"copies-phone-{kind}")
    for button in strip(page).all():
        box = button.bounding_box()
        assert box["width"] >= 44
        assert box["height"] >= 44
    places = []
    for count in (4, 1, 0):
        expect(strip(page)).to_have_count(count)
        places.append([page.locator(name).bounding_box() for name in ("#stage", "#choices", ".actions")])
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        screen.answer("1")
    assert places == [places[0]] * 3
    stage, choices, actions = places[0]
    assert stage["y"] + stage["height"] < choices["y"]
    assert choices["y"] + choices["height"] <= actions["y"]


@pytest.mark.long
@pytest.mark.parametrize("kind", some(["image", "text"]))
@pytest.mark.parametrize("look", some([PHONE, LYING]), ids=some(["upright", "lying"]))
def test_beside_many_classes_all_is_in_view(open_screen: Any, screenshot: Any, kind: str, look: dict[str, Any]) -> None:
    classes = [f"finch {number}" for number in range(30)]
    project = project_with_copies(kind, beside=12, tasks=2, classes=classes, question="multi")
    screen = open_copies(open_screen, project, **look)
    screenshot(screen.page, f"copies-search-{kind}-{look['viewport']['width']}")
    assert screen.page.evaluate(OVERFLOW) <= 0
    for name in ("#item", "#copies-text", "#search", "#undo"):
        expect(screen.page.locator(name)).to_be_in_viewport(ratio=1)
