"""Test that one answer counts for all near-copies that the annotator saw and left in."""

import re
from typing import Any

import pytest
from factories import make_member
from gestures import Gestures
from playwright.sync_api import expect
from strip import copy, heading, open_copies, see, strip, words
from world import project_with_copies

from labeling.models import Annotation, CopyAnswer, Item, Task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOVE_MS = 350  # within less, a second press on a copy is the second half of a double click
LONG = "The train to the coast leaves from the second platform at a quarter past nine on every day of the week but "


def test_an_answer_is_for_all_copies_that_were_seen(open_screen: Any) -> None:
    screen = open_copies(open_screen, project_with_copies())
    expect(heading(screen.page)).to_have_text("The same answer for 4 more")
    [task] = screen.answer("3")
    expect(screen.told).to_have_text("Answered: 3, also for 4 more")
    screen.wait_until_sent()
    assert words(task) == dict.fromkeys(range(1, 5), True)


@pytest.mark.long
def test_copies_are_taken_out_by_clicks_and_one_key_and_a_skip_says_nothing_of_them(open_screen: Any) -> None:
    screen = open_copies(open_screen, project_with_copies())
    for place in (2, 3):
        copy(screen.page, place).click()
        expect(copy(screen.page, place)).to_have_attribute("aria-pressed", "false")
    expect(heading(screen.page)).to_have_text("The same answer for 2 more")
    screen.page.wait_for_timeout(MOVE_MS)
    copy(screen.page, 3).click()
    expect(copy(screen.page, 3)).to_have_attribute("aria-pressed", "true")
    copy(screen.page, 4).dblclick()  # the second half brings nothing back
    assert screen.page.evaluate("document.activeElement === document.body")
    [task] = screen.answer("3")
    screen.wait_until_sent()
    assert words(task) == {1: True, 2: False, 3: True, 4: False}
    assert Annotation.objects.count() == 1
    see(screen)
    screen.press("x")
    expect(heading(screen.page)).to_have_text("The answer is for this item alone")
    expect(screen.page.get_by_role("status")).to_have_text("All near-copies taken out")
    seen = screen.answer("3")
    see(screen)
    screen.press("x")
    screen.page.wait_for_timeout(MOVE_MS)
    screen.press("x")
    expect(heading(screen.page)).to_have_text("The same answer for 4 more")
    seen += screen.answer("4")
    screen.wait_until_sent()
    assert [words(task) for task in seen] == [dict.fromkeys(range(1, 5), same) for same in (False, True)]
    see(screen)
    copy(screen.page, 1).click()
    screen.press(" ", "1")
    expect(screen.told).to_have_text("Skipped: Two answers are equally likely")
    screen.wait_until_sent()
    assert Annotation.objects.count() == 4
    assert not CopyAnswer.objects.filter(annotation__value=None).exists()


def test_the_keyboard_takes_copies_out_and_answers(open_screen: Any) -> None:
    screen = open_copies(open_screen, project_with_copies())
    screen.press("s")
    expect(copy(screen.page, 1)).to_be_focused()
    screen.press("ArrowRight", "ArrowRight", " ")
    screen.press("End", "Enter", "Home", "ArrowLeft")
    expect(copy(screen.page, 1)).to_be_focused()
    screen.press("Escape")
    assert screen.page.evaluate("document.activeElement === document.body")
    screen.press("s")
    [task] = screen.answer("3")  # with the focus in the strip
    screen.wait_until_sent()
    assert words(task) == {1: True, 2: True, 3: False, 4: False}
    assert Annotation.objects.get().value == 3


def test_undo_brings_the_item_back_with_all_copies(open_screen: Any) -> None:
    screen = open_copies(open_screen, project_with_copies())
    copy(screen.page, 1).click()
    [task] = screen.answer("3")
    screen.wait_until_sent()
    assert words(task) == {1: False, 2: True, 3: True, 4: True}
    screen.press("Backspace")
    assert screen.task == task
    expect(screen.page.get_by_role("button", name="included")).to_have_count(4)
    see(screen)
    copy(screen.page, 4).click()
    screen.answer("5")
    screen.wait_until_sent()
    assert words(task) == {1: True, 2: True, 3: True, 4: False}


@pytest.mark.long
def test_without_a_network_what_was_taken_out_is_kept(open_screen: Any) -> None:
    screen = open_copies(open_screen, project_with_copies())
    screen.page.wait_for_load_state("networkidle")
    screen.page.context.set_offline(True)
    seen = []
    for place in (1, 2):
        see(screen)  # they were loaded with the items ahead
        copy(screen.page, place).click()
        seen += screen.answer("3")
    expect(screen.unsent).to_contain_text("Offline: 2 answers are kept here")
    screen.page.context.set_offline(False)
    screen.wait_until_sent()
    assert [words(task) for task in seen] == [{n: n != out for n in range(1, 5)} for out in (1, 2)]


def test_copies_that_nobody_can_have_seen_get_no_answer(open_screen: Any) -> None:
    """Copies whose image has not loaded, and copies of an item that is answered at once, get no answer."""
    project = project_with_copies()
    first = Task.objects.order_by("rank")[0].shown.copies.order_by("height")[1].item
    annie = make_member(project, "annie")
    screen = open_screen(project, annie)
    screen.page.context.route(f"**/items/{first.pk}/media/*", lambda route: route.abort())
    screen.reload()
    expect(copy(screen.page, 2)).to_have_accessible_name("Copy 2, not loaded yet")
    expect(heading(screen.page)).to_have_text("The same answer for 3 more, 1 not loaded yet")
    screen.look()
    Gestures(screen.page).keys("3", "4", apart_ms=200)
    screen.wait_until_sent()
    answered = Task.objects.order_by("rank").values_list("pk", flat=True)[:2]
    assert [words(task) for task in answered] == [{1: True, 3: True, 4: True}, {}]


def test_texts_are_quoted_from_where_they_differ(open_screen: Any, screenshot: Any) -> None:
    project = project_with_copies("text", classes=["travel", "trade"], prompt="What is it about?")
    source = Task.objects.order_by("rank")[0].shown
    Item.objects.filter(pk=source.pk).update(data={"text": LONG + "Sunday."})
    texts = [LONG + "Friday. " * 60, "Le train.", "هذه جملة قصيرة عن القطار", LONG + "Sunday."]
    for each, text in zip(source.copies.order_by("height"), texts, strict=True):
        Item.objects.filter(pk=each.item_id).update(data={"text": text})
    screen = open_copies(open_screen, project)
    screenshot(screen.page, "copies-text")
    expect(strip(screen.page).nth(0)).to_contain_text(re.compile("^….*but Friday. .*…$"))
    expect(copy(screen.page, 2)).to_have_accessible_name("Copy 2, included: Le train.")
    expect(strip(screen.page).nth(2).locator(".excerpt")).to_have_css("direction", "rtl")
    heights = {button.bounding_box()["height"] for button in strip(screen.page).all()}
    assert len(heights) == 1
    copy(screen.page, 3).click()
    screenshot(screen.page, "copies-text-out")
    [task] = screen.answer("1")
    screen.wait_until_sent()
    assert words(task) == {1: True, 2: True, 3: False, 4: True}


def test_a_screen_reader_hears_what_an_answer_is_for(open_screen: Any) -> None:
    screen = open_copies(open_screen, project_with_copies())
    page = screen.page
    heard = page.get_by_role("status")
    expect(heard).to_have_text("Item 1 of 12. The same answer for 4 more.")
    toolbar = page.get_by_role("region", name="Near-copies").get_by_role("toolbar", name="The same answer for 4 more")
    expect(toolbar.get_by_role("button")).to_have_count(4)
    expect(copy(page, 3)).to_have_accessible_name("Copy 3, included")
    copy(page, 3).click()
    expect(copy(page, 3)).to_have_accessible_name("Copy 3, taken out")
    screen.answer("3")
    expect(heard).to_have_text("3, also for 3 more. Item 2 of 12. The same answer for 4 more.")


@pytest.mark.long
def test_where_letters_search_the_keys_need_shift(open_screen: Any, screenshot: Any) -> None:
    project = project_with_copies(classes=[f"finch {number}" for number in range(30)], beside=12)
    screen = open_copies(open_screen, project)
    screenshot(screen.page, "copies-search")
    screen.press("Shift+X")
    screen.page.wait_for_timeout(MOVE_MS)
    screen.press("Shift+S", " ")
    screen.press(*"finch 17")
    [task] = screen.answer("Enter")
    screen.wait_until_sent()
    assert words(task) == {place: place == 1 for place in range(1, 13)}


@pytest.mark.long
def test_in_a_grid_nothing_is_said_of_copies(open_screen: Any) -> None:
    project = project_with_copies(grids=True, show_predictions=True, tasks=20)
    Task.objects.update(predicted=3, prompted=True, prompted_by="model")
    screen = open_screen(project, make_member(project, "annie"))
    expect(screen.page.locator("#grid .cell").first).to_be_visible()
    expect(screen.page.locator("#copies-list")).to_be_hidden()
    screen.page.wait_for_timeout(1_300)
    screen.press("s", "x", "Enter")
    screen.wait_until_sent()
    assert Annotation.objects.exists()
    assert not CopyAnswer.objects.exists()
