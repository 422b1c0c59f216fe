"""Test that plain SQL gives the same objects as the ORM."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken
from rest_framework.test import APIClient

from labeling.intake.run import import_items
from labeling.intake.uploads import register
from labeling.loop.step import Step
from labeling.models import Item, WorkLog
from labeling.storage.db.statements import Columns, insert, rows, update_numbers

pytestmark = pytest.mark.django_db


def test_a_row_is_the_instance_that_the_orm_would_make() -> None:
    project = make_project()
    [item] = make_items(project, 1)
    columns = Columns(Item, "i", only=("id", "project_id", "data", "media"))
    read = columns.read(rows(f"SELECT {columns.sql} FROM labeling_item i WHERE i.id = %s", [item.pk])[0])
    orm = Item.objects.get(pk=item.pk)
    assert (read, read.data, read.media, read.project) == (orm, orm.data, orm.media, project)
    assert "external_id" in read.get_deferred_fields()
    assert read.external_id == orm.external_id  # read when it is asked for
    read.data = {"text": "changed"}
    read.save(update_fields=["data"])
    assert Item.objects.get().data == {"text": "changed"}


def test_rows_with_equal_and_different_values_are_inserted_as_they_are() -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 1))
    ann, now = make_member(project, "ann"), timezone.now()
    start = [now + timedelta(minutes=10 * number) for number in range(4)]
    work = [(start[0], 5), (start[1], 7), (start[2], 7), (start[3], 5)]
    names = ("batch", "user", "start", "last_at", "answers", "skips", "seconds")
    insert(WorkLog, names, [(batch.pk, ann.pk, at, now, answers, 0, 0.5) for at, answers in work])
    assert list(batch.work.order_by("start").values_list("start", "answers")) == work
    assert set(batch.work.values_list("last_at", "seconds")) == {(now, 0.5)}


def test_each_row_gets_its_own_number() -> None:
    first, second, third = make_items(make_project(), 3)
    update_numbers(Item, "row", {first.pk: 30, third.pk: 10})
    update_numbers(Item, "row", {})
    assert dict(Item.objects.values_list("pk", "row")) == {first.pk: 30, second.pk: second.row, third.pk: 10}


def test_a_statement_may_hold_percent_signs() -> None:
    for _ in range(2):  # the second time as it is remembered
        assert rows("SELECT '50%%', CAST(%s AS text)", ["%s"]) == [("50%", "%s")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(%(number)s AS integer) + CAST(%(number)s AS integer)", {"number": 2})
        assert cursor.fetchone() == (4,)


def test_requests_share_a_shape_and_nothing_else() -> None:
    project = make_project()
    make_open_batch(project, make_items(project, 3))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {AuthToken.objects.create(make_member(project, 'ann'))[1]}")
    claims = [{"count": 2}, {"count": "many"}, {}, None, [], {"count": 1}]
    replies = [client.post("/api/v1/projects/digits/claim/", each, format="json") for each in claims]
    assert [reply.status_code for reply in replies] == [200, 400, 200, 200, 400, 200]
    assert [len(reply.json()["tasks"]) for reply in replies if reply.status_code == 200] == [2, 3, 3, 1]


def test_postgresql_keeps_a_statement_that_comes_again() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's driver does so by itself")
    sql = "SELECT name FROM labeling_project WHERE slug = %s -- kept"
    for _ in range(4):
        rows(sql, ["none"])
    kept = rows("SELECT statement FROM pg_prepared_statements WHERE statement LIKE %s", ["%-- kept"])
    assert kept == [("SELECT name FROM labeling_project WHERE slug = $1 -- kept",)]


def test_postgresql_knows_how_a_table_grows_in_an_import(tmp_path: Path) -> None:
    """With the plan of the first chunks, or with statistics of an empty table, PostgreSQL scanned the table for each
    chunk.
    """
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's statistics: runs with the tests on PostgreSQL")
    path = tmp_path / "texts.csv"
    path.write_text("id,text\n" + "".join(f"a{number},text\n" for number in range(5000)))
    project = make_project(kind="text")
    job = register(project=project, user=None, path=path, name="a.csv", strict=False, taken_by="here")
    with CaptureQueriesContext(connection) as queries:
        import_items(Step(job))
    look_ups = [each["sql"] for each in queries if "external_id IN" in each["sql"]]
    assert len(look_ups) > 2
    [[known]] = rows("SELECT reltuples FROM pg_class WHERE relname = %s", ["labeling_item"])
    assert known >= Item.objects.count() / 2 == 2500
    few = re.sub(r"external_id IN \(('a\d+').*\)", r"external_id IN (\1, 'b')", look_ups[-1])
    plan = "\n".join(line for (line,) in rows(f"EXPLAIN {few}", [], planned_anew=True))
    assert "item_external_id_unique" in plan, plan
    assert not rows("SELECT 1 FROM pg_prepared_statements WHERE statement LIKE %s", ["%external_id IN%"])
