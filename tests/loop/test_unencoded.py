"""Test that unencoded items are read in the order of their blocks, without sorting."""

import pytest
from django.db import connection
from factories import make_items, make_project

pytestmark = pytest.mark.django_db


def test_the_next_items_come_by_an_index_in_their_order() -> None:
    project = make_project()
    items = make_items(project, 6)
    # Factories make encoded items of one block.
    places = {2: ("a.npy", 1), 1: ("a.npy", 0), 4: ("", 0), 5: ("b.npy", 0)}
    for at, (media, offset) in places.items():
        project.items.filter(pk=items[at].pk).update(row=None, media=media, media_offset=offset)
    chunk = project.items.unencoded()[:3]
    assert [item.pk for item in chunk] == [items[at].pk for at in (4, 1, 2)]
    if connection.vendor == "sqlite":  # PostgreSQL sorts the few rows of a test
        assert "item_unencoded_media" in chunk.explain()
        assert "TEMP B-TREE" not in chunk.explain()
