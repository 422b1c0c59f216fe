"""Test that the statistics of growing tables are refreshed, so that PostgreSQL does not plan for empty tables."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_project

from labeling.models import Item
from labeling.steps.running.sweeps import FEW, refresh_statistics
from labeling.storage.db.statements import analyze, rows


@pytest.mark.django_db(transaction=True)
def test_a_table_that_has_doubled_is_analyzed() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's statistics: runs with the tests on PostgreSQL")
    analyzed()  # what tests before have left
    analyze("labeling_item")
    project = make_project()
    make_items(project, FEW + 200)
    assert analyzed() == {"labeling_item"}
    [[known]] = rows("SELECT reltuples FROM pg_class WHERE relname = %s", ["labeling_item"])
    assert known == Item.objects.count()
    assert analyzed() == set(), "it has not grown since"
    make_items(project, 100, first=2000)
    assert analyzed() == set(), "few more"
    make_items(project, FEW + 200, first=3000)
    assert analyzed() == {"labeling_item"}


def analyzed() -> set[str]:
    """Return the tables that the worker's refresh analyzes now."""
    rows("SELECT pg_stat_force_next_flush()", [])
    rows("SELECT 1", [])  # what a session has done is told when it next comes to rest
    with CaptureQueriesContext(connection) as queries:
        refresh_statistics(timezone.now())
    asked = [str(each["sql"]) for each in queries]
    return {sql.split('"')[1] for sql in asked if sql.startswith("ANALYZE")}


@pytest.mark.django_db
def test_on_sqlite_nothing_is_asked() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite has no such statistics: runs with the tests on SQLite")
    with CaptureQueriesContext(connection) as queries:
        refresh_statistics(timezone.now())
    assert not queries.captured_queries
