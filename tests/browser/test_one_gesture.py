"""Test that a gesture has one effect, that its echo does not answer the next item, and that fast people lose no
answer.
"""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from gestures import Gestures
from playwright.sync_api import expect

from labeling.models import Annotation
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ANIMALS = ["cat", "dog", "hen", "pig"]
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def values(screen: Any) -> list[Any]:
    """Return the answers in the order of the tasks, once all have arrived."""
    screen.wait_until_sent()
    return list(Annotation.objects.standing().order_by("task__rank").values_list("value", flat=True))


def open_animals(open_screen: Any, classes: list[str] = ANIMALS, options: Any = None, **settings: Any) -> Any:
    project = make_project("animals", classes=classes, **settings)
    make_open_batch(project, make_items(project, 20))
    return open_screen(project, make_member(project, "annie"), **(options or {}))


@pytest.mark.parametrize("delay", some([150, 0]))
def test_a_double_click_answers_once(open_screen: Any, delay: int) -> None:
    screen = open_animals(open_screen)
    hand = Gestures(screen.page)
    for name in ("dog", "dog", "hen"):
        hand.double_click(screen.choice(name), apart_ms=delay)
        screen.look()
    assert values(screen) == [1, 1, 2]


def test_a_double_tap_answers_once(open_screen: Any) -> None:
    screen = open_animals(open_screen, options=PHONE)
    hand = Gestures(screen.page)
    for name in ("dog", "dog", "hen"):
        hand.double_tap(screen.choice(name), apart_ms=150)
        screen.look()
    assert values(screen) == [1, 1, 2]


@pytest.mark.long
def test_a_double_click_in_the_list_answers_once(open_screen: Any) -> None:
    """The second half of a double click hits the changed list, where another class is."""
    screen = open_animals(open_screen, [f"animal {number}" for number in range(40)])
    screen.press(*"animal 33")
    Gestures(screen.page).double_click(screen.page.get_by_role("option", name="animal 33"))
    assert values(screen) == [33]


def test_a_double_click_in_the_list_chooses_one_class_of_several(open_screen: Any) -> None:
    screen = open_animals(open_screen, [f"animal {number}" for number in range(40)], question="multi")
    screen.press(*"animal 33")
    Gestures(screen.page).double_click(screen.page.get_by_role("option", name="animal 33"))
    expect(screen.page.locator("#chosen .chip")).to_have_text(["animal 33"])
    Gestures(screen.page).double_click(screen.page.locator("#send"))
    assert values(screen) == [[33]]


@pytest.mark.parametrize("pause", some([40, 0, 150]))
def test_enter_pressed_twice_sends_once(open_screen: Any, pause: int) -> None:
    screen = open_animals(open_screen, question="multi")
    screen.press("1")
    Gestures(screen.page).keys("Enter", "Enter", apart_ms=pause)
    screen.look()
    screen.press("2", "Enter")
    assert values(screen) == [[0], [1]]


def test_a_double_click_or_key_answers_once_and_different_keys_all_count(open_screen: Any) -> None:
    screen = open_animals(open_screen)
    hand = Gestures(screen.page)
    hand.keys("1", "1", apart_ms=100)
    screen.look()
    hand.keys("2", "3", apart_ms=50)  # nobody has seen what the 3 would answer
    assert values(screen) == [0, 1]
    digits = [1, 2, 3, 4, 3, 1, 2, 4, 1, 3, 2, 4]
    for digit in digits:
        screen.press(str(digit))
        screen.page.wait_for_timeout(160)
    assert values(screen) == [0, 1, *(digit - 1 for digit in digits)]


@pytest.mark.long
@pytest.mark.parametrize("key", some(["Enter", " "]))
def test_a_key_held_down_on_a_button_answers_once(open_screen: Any, key: str) -> None:
    screen = open_animals(open_screen)
    screen.choice("hen").focus()
    for _ in range(6):
        screen.page.keyboard.down(key)  # repeats, as from a finger that stays
        screen.page.wait_for_timeout(120)
    screen.page.keyboard.up(key)
    assert values(screen) == [2]
    screen.look()
    screen.press(key)
    assert values(screen) == [2, 2]


def test_a_key_held_down_answers_once(open_screen: Any) -> None:
    screen = open_animals(open_screen, question="verify")
    for _ in range(6):
        screen.page.keyboard.down("y")
        screen.page.wait_for_timeout(120)
    screen.page.keyboard.up("y")
    assert values(screen) == [True]


@pytest.mark.parametrize("question", some(["single", "multi"]))
def test_a_reason_that_is_given_twice_skips_once_and_answers_nothing(open_screen: Any, question: str) -> None:
    screen = open_animals(open_screen, question=question)
    hand = Gestures(screen.page)
    screen.press(" ")
    hand.keys("1", "1", apart_ms=100)
    screen.look()
    screen.press(" ")
    hand.keys("Enter", "Enter", apart_ms=100)
    screen.look()
    screen.press(" ")
    hand.double_click(screen.page.get_by_role("button", name="Broken or empty"))
    assert values(screen) == [None, None, None]


@pytest.mark.long
def test_an_item_that_was_taken_back_can_be_answered_at_once(open_screen: Any) -> None:
    screen = open_animals(open_screen)
    screen.press("1", "Backspace", "2")
    assert values(screen) == [1]
