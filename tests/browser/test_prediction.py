"""Test that prompted tasks show the model's prediction if the manager allows it, without the confidence."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from labeling.models import Annotation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_prediction_is_shown_if_allowed(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image", show_predictions=True)
    batch = make_open_batch(project, make_items(project, 12))
    batch.tasks.update(predicted=3, confidence=0.874, prompted=True)
    batch.tasks.filter(rank=0).update(is_control=True)
    batch.tasks.filter(rank=1).update(prompted=False)
    screen = open_screen(project, make_member(project, "annie"))
    shown = screen.page.locator("#prediction")
    expect(shown).to_have_text("Suggested: 3")
    screenshot(screen.page, "prediction")
    screen.answer("0")
    expect(shown).to_be_hidden()
    screen.answer("0")
    expect(shown).to_be_visible()


def test_enter_takes_the_suggestion_that_came_with_the_item(open_screen: Any, screenshot: Any) -> None:
    project = make_project(kind="image", show_suggestions=True)
    batch = make_open_batch(project, make_items(project, 12, suggestion=4))
    batch.tasks.update(prompted=True, prompted_by="suggestion")
    batch.tasks.filter(rank=1).update(prompted=False)
    screen = open_screen(project, make_member(project, "annie"))
    marked = screen.page.locator(".choice.suggests")
    expect(marked).to_have_text("44 Enter")
    screenshot(screen.page, "suggestion")
    screen.look()
    screen.press("Enter", "Enter")  # the second was under way when the next item came
    expect(marked).to_have_count(0)
    screen.look()
    screen.press("Enter")  # without a suggestion there is nothing to take
    screen.wait_until_sent()
    assert list(Annotation.objects.values_list("value", flat=True)) == [4]


def test_prediction_is_not_shown_otherwise(open_screen: Any) -> None:
    project = make_project(kind="image")
    make_open_batch(project, make_items(project, 3)).tasks.update(predicted=3, confidence=0.874, prompted=True)
    screen = open_screen(project, make_member(project, "annie"))
    expect(screen.page.locator("#item img")).to_be_visible()
    expect(screen.page.get_by_text("Suggested")).to_have_count(0)
