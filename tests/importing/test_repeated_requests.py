"""Test that a repeated request to import items finds the import of the first one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from factories import make_member, make_project
from knox.models import AuthToken

from labeling.models import Project, Role

ROWS = [{"id": "a", "text": "Hello"}, {"id": "b", "text": ""}]


@pytest.fixture
def project(transactional_db: None) -> Project:
    return make_project()


@pytest.fixture
def send(live_server: Any, project: Project) -> Any:
    token = AuthToken.objects.create(make_member(project, "mia", Role.MANAGER))[1]

    def send(rows: Any, key: str, path: str = "items/", **params: str) -> httpx.Response:
        headers = {"Authorization": f"Token {token}", **({"Idempotency-Key": key} if key else {})}
        url = f"{live_server.url}/api/v1/projects/digits/{path}"
        return httpx.post(url, json=rows, headers=headers, params=params, trust_env=False, timeout=60)

    return send


def test_the_same_request_imports_once(send: Any, project: Project) -> None:
    first = send(ROWS, "one")
    assert (first.status_code, first.json()["accepted"], first.json()["existing"]) == (201, 1, 0)
    assert send(ROWS, "one").json() == first.json()
    assert send(ROWS, "one", "imports/").json() == first.json()
    assert (project.imports.count(), project.items.count()) == (1, 1)


def test_another_request_under_the_same_key_is_not_lost(send: Any, project: Project) -> None:
    send(ROWS, "one")
    assert send([{"id": "c", "text": "Other"}], "one").json()["accepted"] == 1
    assert send(ROWS, "two").json()["existing"] == 1
    assert send(ROWS, "").json()["existing"] == 1
    assert send(ROWS, "one", strict="true").status_code == 400
    assert project.imports.count() == 5


def test_requests_at_the_same_time_import_once(send: Any, project: Project) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: send(ROWS, "one"), range(8)))
    assert {answer.status_code for answer in answers} <= {201, 202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert project.imports.get().accepted == 1
