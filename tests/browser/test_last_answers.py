"""Test that the list of the last answers shows what an item is, not an id that an import drew."""

from typing import Any

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from playwright.sync_api import expect

from tests.extent import some

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DRAWN = "0a1b2c3d4e5f6a7b8c9d"


@pytest.mark.parametrize(("kind", "noun"), some([("vector", "Vector"), ("audio", "Recording")]))
def test_fields_or_else_an_id_that_people_gave_or_else_a_noun(kind: str, noun: str, open_screen: Any) -> None:
    project = make_project(kind=kind, classes=["cat", "dog"])
    items = make_items(project, 3, data={})
    items[0].data = {"radius": 17.9900012, "note": "", "place": "garden"}
    items[1].external_id = DRAWN
    items[2].external_id, items[2].source = "row-3", "cats/secret.wav"
    for item in items:
        item.save()
    make_open_batch(project, items)
    screen = open_screen(project, make_member(project, "annie"))
    screen.answer("1", "1", "2")
    expect(screen.past.locator(".excerpt")).to_have_text(["row-3", noun, "17.99 · garden"])
