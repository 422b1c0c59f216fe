"""Test tables: on a phone all of a row can be reached, and only those that scroll are stops of the Tab key."""

import uuid
from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from pages import make_history
from playwright.sync_api import Page, expect

from labeling.models import Role
from labeling.projects.people import invitations
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LEAVES = ".scroll :is(button, a, input:not([type=hidden]), select, time, .badge)"
OUTSIDE = "(places) => places.filter((place) => place.getBoundingClientRect().right > innerWidth).length"


@pytest.fixture
def manager() -> Any:
    project = make_project()
    make_history(project, 2)
    mona = make_member(project, "mona", Role.MANAGER)
    make_member(project, "annie")
    invitations.invite(project=project, user=mona, role=Role.ANNOTATOR, name="Nora Lee")
    return mona


@pytest.mark.parametrize("path", some(["members/", "batches/"]))
def test_on_a_phone_all_of_a_row_is_in_sight(manager: Any, open_page: Any, screenshot: Any, path: str) -> None:
    page: Page = open_page(manager, f"/p/digits/{path}", **PHONE)
    screenshot(page, f"phone-{path.strip('/')}", full=True)
    assert page.locator(LEAVES).count() > 5
    assert page.locator(LEAVES).evaluate_all(OUTSIDE) == 0
    scrolling = "(places) => places.filter((place) => place.scrollWidth > place.clientWidth).length"
    assert page.locator(".as-cards").evaluate_all(scrolling) == 0


def test_a_table_is_a_stop_only_while_it_scrolls(manager: Any, open_page: Any) -> None:
    page: Page = open_page(manager, "/p/digits/models/")
    table = page.get_by_role("group", name="Model versions")
    expect(table).not_to_have_attribute("tabindex", "0")
    page.set_viewport_size({"width": 360, "height": 740})
    expect(table).to_have_attribute("tabindex", "0")


def test_who_answered_fits_beside_the_labels(open_page: Any) -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 20))
    for name in ("maria", "Jörg.Müßig"):
        person = make_member(project, name)
        [task] = queue.claim(project=project, user=person, count=1).tasks
        submitting.submit(project=project, user=person, answers=[Answer(uuid.uuid4(), task.pk, value=1)])
    page: Page = open_page(make_member(project, "mona", Role.MANAGER), f"/p/digits/batches/{batch.number}/")
    table = page.get_by_role("group", name="Who answered in batch 1")
    expect(table.get_by_text("at work")).to_have_count(2)
    assert table.evaluate("(table) => table.scrollWidth <= table.clientWidth")
