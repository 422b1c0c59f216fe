"""Test GET /api/v1/projects/{slug}/export/: its roles, its rows and its errors."""

import io
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from django.test import Client
from knox.models import AuthToken

from labeling.models import Project, User
from labeling.outgoing.formats import DATASETS, FORMATS, TOOLS
from tests.exports.labeled import answer, make_batch, make_items, train
from tests.extent import some
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db

URL = "/api/v1/projects/digits/export/"


@pytest.fixture
def project() -> Project:
    project = make_project(classes=["owl", "=wren"])
    items = make_items(project, 5)
    first = make_batch(project, items[:3])
    answer(first, make_member(project, "ann"), [0, 1, "skip"])
    train(first)
    answer(make_batch(project, items[3:]), make_member(project, "ann"), [1])
    make_member(project, "mona", "manager")
    make_member(project, "enzo", "engineer")
    make_member(make_project("other"), "olaf", "manager")
    return project


def get(name: str | None, path: str = URL, method: str = "get", **headers: str) -> Any:
    client = Client(raise_request_exception=False)
    if name is not None:
        client.force_login(User.objects.get(username=name))
    return getattr(client, method)(path, headers=headers or None)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_an_unknown_project_looks_like_another_ones(project: Project) -> None:
    assert get("olaf", "/api/v1/projects/nothing/export/").json() == get("olaf").json()


def test_a_token_opens_it(project: Project) -> None:
    _, token = AuthToken.objects.create(User.objects.get(username="enzo"))
    response = Client().get(URL, headers={"Authorization": f"Token {token}", "Accept": "text/csv"})
    assert response.status_code == 200
    assert body(response).count(b"\n") == 3


@pytest.mark.parametrize(
    ("query", "content_type", "file_name"),
    [
        ("", "application/x-ndjson", "digits-labels.jsonl"),
        ("?format=jsonl", "application/x-ndjson", "digits-labels.jsonl"),
        ("?format=csv", "text/csv; charset=utf-8", "digits-labels.csv"),
        ("?format=parquet&batch=1", "application/vnd.apache.parquet", "digits-batch-1.parquet"),
        ("?format=csv&batch=1-&control=only", "text/csv; charset=utf-8", "digits-batches-1-2-control.csv"),
    ],
)
def test_each_format_comes_as_a_named_file(project: Project, query: str, content_type: str, file_name: str) -> None:
    response = get("enzo", URL + query)
    assert response.status_code == 200
    assert response.streaming
    assert response["Content-Type"] == content_type
    assert response["Content-Disposition"] == f'attachment; filename="{file_name}"'
    assert response["Cache-Control"] == "private, no-store"


def test_a_batch_and_the_skipped_items_can_be_asked_for(project: Project) -> None:
    def ids(query: str) -> list[str]:
        return [orjson.loads(line)["external_id"] for line in body(get("enzo", URL + query)).splitlines()]

    assert ids("") == ["item-0000", "item-0001", "item-0003"]
    assert ids("?batch=2") == ["item-0003"]
    assert ids("?skipped=true") == ["item-0000", "item-0001", "item-0002", "item-0003"]


def test_the_three_formats_agree(project: Project) -> None:
    rows = [orjson.loads(line) for line in body(get("enzo")).splitlines()]
    table = pq.read_table(io.BytesIO(body(get("enzo", URL + "?format=parquet"))))
    records = body(get("enzo", URL + "?format=csv")).decode().splitlines()[1:]
    assert len(rows) == table.num_rows == len(records) == 3
    assert [row["label"] for row in rows] == table["label"].to_pylist() == ["owl", "=wren", "=wren"]
    assert "'=wren" in records[1]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    some(
        [
            ("?format=xml", 400, "format"),
            ("?format=json", 400, "format"),
            ("?batch=first", 400, "batch"),
            ("?batch=0", 400, "batch"),
            ("?batch=99999999999999", 400, "batch"),
            ("?skipped=perhaps", 400, "skipped"),
            ("?batch=3", 400, "batch"),
            ("?batch=2-1", 400, "batch"),
            ("?control=no", 400, "control"),
            ("?agreement=nan", 400, "agreement"),
            ("?since=2026-02-30", 400, "since"),
            ("?until=2026-03-01T10:00", 400, "until"),
            ("?batches=1", 400, "batches"),
        ],
        5,
    ),
)
def test_a_wrong_parameter_is_refused_with_a_reason(project: Project, query: str, status: int, field: str) -> None:
    response = get("enzo", URL + query)
    assert response.status_code == status
    answer = response.json()
    assert answer["detail"]
    assert list(answer["fields"]) == [field]


def test_all_that_is_wrong_is_told_at_once(project: Project) -> None:
    answer = get("enzo", URL + "?batch=9&agreement=7&format=xml").json()
    assert answer["detail"].startswith(
        f"format: There is no format 'xml'; there are {', '.join([*FORMATS, *DATASETS, *TOOLS])}."
    )
    assert answer["fields"]["batch"] == ["This project has no batch 9; its batches are 1 to 2."]
    assert answer["fields"]["agreement"] == ["'7' is not a share. Enter a number from 0 to 1, for example 0.8."]


def test_the_number_of_queries_does_not_grow_with_the_rows(project: Project, django_assert_num_queries: Any) -> None:
    client = Client()
    client.force_login(User.objects.get(username="enzo"))
    # session, user, membership; classes, batches, selections, weights; three a batch; five for the log
    with django_assert_num_queries(3 + 5 + 2 * 3 + 5):
        assert len(body(client.get(URL)).splitlines()) == 3
