"""Plain SQL gives the same objects as the ORM."""

from __future__ import annotations

import pytest
from django.db import connection
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken
from rest_framework.test import APIClient

from labeling.models import Item, Task
from labeling.statements import Columns, insert, rows

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
    items = make_items(project, 4)
    batch = make_open_batch(project, items[:1])
    names = ("batch", "item", "rank", "free", "outstanding", "predicted", "is_gold", "prompted")
    predicted = [None, 7, 7, None]
    insert(Task, names, [(batch.pk, each.pk, rank, 1, 1, predicted[rank], False, False)
                         for rank, each in enumerate(items) if rank])  # fmt: skip
    stored = Task.objects.filter(batch=batch).order_by("rank").values_list("item", "rank", "predicted")
    assert list(stored)[1:] == [(each.pk, rank, predicted[rank]) for rank, each in enumerate(items) if rank]


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
