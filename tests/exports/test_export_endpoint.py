"""Test GET /api/v1/projects/{slug}/export/: its roles, its rows and its errors; and that the documentation has its
columns and parameters.
"""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import Client
from factories import make_member, make_project
from knox.models import AuthToken
from labeled import answer, make_batch, make_items, train

from labeling.api.export import PARAMETERS
from labeling.models import Project, User
from labeling.outgoing.exports import FILTERS
from labeling.outgoing.exports.columns import COLUMNS
from labeling.outgoing.formats import DATASETS, FORMATS, TOOLS
from scripts.reference import written

URL = "/api/v1/projects/digits/export/"


@pytest.fixture(scope="module")
def project(once: Path) -> Project:
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


@pytest.mark.django_db
def test_a_token_opens_it_and_an_unknown_project_looks_like_another_ones(project: Project) -> None:
    _, token = AuthToken.objects.create(User.objects.get(username="enzo"))
    response = Client().get(URL, headers={"Authorization": f"Token {token}", "Accept": "text/csv"})
    assert response.status_code == 200
    assert body(response).count(b"\n") == 3
    assert get("olaf", "/api/v1/projects/nothing/export/").json() == get("olaf").json()


@pytest.mark.django_db
def test_each_format_comes_as_a_named_file(project: Project) -> None:
    csv = "text/csv; charset=utf-8"
    for query, content_type, file_name in (
        ("", "application/x-ndjson", "digits-labels.jsonl"),
        ("?format=jsonl", "application/x-ndjson", "digits-labels.jsonl"),
        ("?format=csv", csv, "digits-labels.csv"),
        ("?format=parquet&batch=1", "application/vnd.apache.parquet", "digits-batch-1.parquet"),
        ("?format=csv&batch=1-&control=only", csv, "digits-batches-1-2-control.csv"),
        ("?format=huggingface", "application/zip", "digits-labels.huggingface.zip"),
    ):
        response = get("enzo", URL + query)
        assert response.status_code == 200
        assert response.streaming
        assert response["Content-Type"] == content_type
        assert response["Content-Disposition"] == f'attachment; filename="{file_name}"'
        assert response["Cache-Control"] == "private, no-store"


@pytest.mark.django_db
def test_a_batch_and_the_skipped_items_can_be_asked_for(project: Project) -> None:
    def ids(query: str) -> list[str]:
        return [orjson.loads(line)["external_id"] for line in body(get("enzo", URL + query)).splitlines()]

    assert ids("") == ["item-0000", "item-0001", "item-0003"]
    assert ids("?batch=2") == ["item-0003"]
    assert ids("?skipped=true") == ["item-0000", "item-0001", "item-0002", "item-0003"]


WRONG = {
    "format": ["xml", "json"],
    "batch": ["first", "0", "99999999999999", "3", "2-1"],
    "skipped": ["perhaps"],
    "control": ["no"],
    "agreement": ["nan"],
    "since": ["2026-02-30"],
    "until": ["2026-03-01T10:00"],
    "batches": ["1"],
}


@pytest.mark.django_db
def test_wrong_parameters_are_refused_all_at_once_with_reasons(project: Project) -> None:
    for field, values in WRONG.items():
        for value in values:
            response = get("enzo", f"{URL}?{field}={value}")
            assert response.status_code == 400
            assert response.json()["detail"]
            assert list(response.json()["fields"]) == [field]
    answer = get("enzo", URL + "?batch=9&agreement=7&format=xml").json()
    assert answer["detail"].startswith(
        f"format: There is no format 'xml'; there are {', '.join([*FORMATS, *DATASETS, *TOOLS])}."
    )
    assert answer["fields"]["batch"] == ["This project has no batch 9; its batches are 1 to 2."]
    assert answer["fields"]["agreement"] == ["'7' is not a share. Enter a number from 0 to 1, for example 0.8."]


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_rows(project: Project, django_assert_num_queries: Any) -> None:
    client = Client()
    client.force_login(User.objects.get(username="enzo"))
    # session, user, membership; classes, batches, selections, weights; three a batch; five for the log
    with django_assert_num_queries(3 + 5 + 2 * 3 + 5):
        assert len(body(client.get(URL)).splitlines()) == 3


DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "reference/export.md").read_text()
HOW_TO = (DOCS / "how-to/use-an-export.md").read_text()


def rows_below(heading: str) -> list[str]:
    """Return the first cells of the table after the line."""
    table = TEXT.split(heading)[1].split("|---|---|\n")[1].split("\n\n")[0]
    return re.findall(r"^\| `(\w+)`", table, re.MULTILINE)


def test_every_column_is_documented_in_order() -> None:
    assert rows_below("## Columns") == list(COLUMNS)


def test_every_parameter_and_format_is_documented() -> None:
    assert written(TEXT) == TEXT, "run scripts/reference.py"
    names = ["format", *FILTERS]
    assert rows_below("Parameters of the API") == names
    assert [parameter.name for parameter in PARAMETERS] == names
    table = HOW_TO.split("| format | when to choose it |\n|---|---|\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", table, re.MULTILINE)
    assert rows == [(name, form.note) for name, form in (FORMATS | DATASETS | TOOLS).items()]
