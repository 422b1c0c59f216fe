"""Test an annotator's taps and swipes on a phone."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}


def values() -> list[Any]:
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


def swipe(screen: Any, by: int) -> None:
    """Move a finger over the item, `by` pixels to the right."""
    touch = screen.page.context.new_cdp_session(screen.page)
    for name, x in (("touchStart", 180), ("touchMove", 180 + by // 2), ("touchMove", 180 + by), ("touchEnd", None)):
        points = [] if x is None else [{"x": x, "y": 200}]
        touch.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": points})
    touch.detach()


def test_taps_and_swipes_answer_skip_flag_and_take_back(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"), **PHONE)
    first = screen.task
    screen.choice("7").tap()
    screen.page.get_by_role("button", name="Undo").tap()
    assert screen.task == first
    screen.page.get_by_role("button", name="Flag").tap()
    screen.choice("8").tap()
    screen.page.get_by_role("button", name="Skip").tap()
    screen.page.get_by_role("button", name="Broken or empty").tap()
    screen.wait_until_sent()
    assert values() == [8, None]
    assert Annotation.objects.get(value=8).flagged
    first = screen.task
    screen.choice("7").tap()
    swipe(screen, 120)
    assert screen.task == first
    swipe(screen, -120)
    expect(screen.page.get_by_role("dialog", name="Why skip it?")).to_be_visible()


def test_swipes_verify(open_screen: Any) -> None:
    project = make_project("animals", classes=["cat", "dog"], question="verify")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"), **PHONE)
    swipe(screen, 120)
    screen.look()
    swipe(screen, -120)
    screen.look()
    swipe(screen, 30)  # too short to mean anything
    screen.wait_until_sent()
    assert values() == [True, False]


def test_lying_down_the_item_and_all_classes_are_in_view(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"), **{**PHONE, "viewport": {"width": 740, "height": 360}})
    screenshot(screen.page, "label-lying")
    for selector in ("#item img", "#undo", *(f'#choices [value="{digit}"]' for digit in range(10))):
        expect(screen.page.locator(selector)).to_be_in_viewport(ratio=1)


def test_without_a_network_the_phone_says_that_answers_are_kept(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"), **PHONE)
    before = screen.page.locator("#undo").bounding_box()
    screen.page.context.set_offline(True)
    screen.choice("7").tap()
    expect(screen.unsent).to_be_in_viewport(ratio=1)
    assert screen.page.locator("#undo").bounding_box() == before
    screenshot(screen.page, "offline-small")


def test_whatever_item_comes_nothing_moves_under_the_finger(open_screen: Any) -> None:
    project = make_project("stories", classes=["true", "invented"], prompt="Is this story true?")
    texts = ["Short.", "A much longer story. " * 60, "With\nseveral\nlines", "Word" * 200]
    items = [make_items(project, 1, first=number, data={"text": text})[0] for number, text in enumerate(texts)]
    make_open_batch(project, items)
    screen = open_screen(project, make_member(project, "annie"), **PHONE)
    places = []
    for _ in texts:
        places.append([screen.page.locator(f"#{name}").bounding_box() for name in ("stage", "choices", "undo", "flag")])
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= 360
        screen.answer("1")
    assert places == [places[0]] * len(texts)


@pytest.mark.long
def test_a_narrow_window_with_a_mouse_has_room_for_every_button(open_screen: Any) -> None:
    project = make_project(kind="image", guidelines="Look twice.")
    make_open_batch(project, make_items(project, 10))
    screen = open_screen(project, make_member(project, "annie"), viewport={"width": 360, "height": 800})
    spilling = """buttons => buttons.filter(button => {
      const content = document.createRange();
      content.selectNodeContents(button);
      const [inner, outer] = [content.getBoundingClientRect(), button.getBoundingClientRect()];
      return inner.width && (inner.right > outer.right + 0.5 || inner.left < outer.left - 0.5);
    }).map(button => button.textContent)"""
    for width in (360, 480, 640, 641, 800):
        screen.page.set_viewport_size({"width": width, "height": 800})
        assert screen.page.locator(".actions button:visible").evaluate_all(spilling) == [], width
