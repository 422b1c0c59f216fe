"""PostgreSQL is told of tables that grow, and does not plan by what they held when they were empty."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_project

from labeling.loop import statistics
from labeling.models import Item
from labeling.statements import count_anew, rows


@pytest.mark.django_db(transaction=True)
def test_a_table_that_has_doubled_is_counted_anew() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("of PostgreSQL")
    count_anew("labeling_item")  # what tests before have left
    project = make_project()
    make_items(project, statistics.FEW + 200)
    assert counted() == {"labeling_item"}
    [[known]] = rows("SELECT reltuples FROM pg_class WHERE relname = %s", ["labeling_item"])
    assert known == Item.objects.count()
    assert counted() == set(), "it has not grown since"
    make_items(project, 100, first=2000)
    assert counted() == set(), "few more"
    make_items(project, statistics.FEW + 200, first=3000)
    assert counted() == {"labeling_item"}


def counted() -> set[str]:
    """The tables that a look around counts now."""
    rows("SELECT pg_stat_force_next_flush()", [])
    rows("SELECT 1", [])  # what a session has done is told when it next comes to rest
    with CaptureQueriesContext(connection) as queries:
        statistics.refresh(timezone.now())
    asked = [str(each["sql"]) for each in queries]
    return {sql.split('"')[1] for sql in asked if sql.startswith("ANALYZE")}


@pytest.mark.django_db
def test_on_sqlite_nothing_is_asked() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("of SQLite")
    with CaptureQueriesContext(connection) as queries:
        statistics.refresh(timezone.now())
    assert not queries.captured_queries
