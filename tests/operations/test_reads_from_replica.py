"""Test which reads use the replica, here a second connection to the test's database."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, connections, router, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import make_member, make_project
from knox.models import AuthToken
from pages import make_history, signed_in

from config import databases
from labeling.models import Item, Project, Role
from labeling.observing.logs import Seldom
from labeling.outgoing.exports import export
from labeling.storage.db import replica, statements

pytestmark = pytest.mark.django_db(transaction=True)

FIGURES = [
    "project-progress",
    "project-agreement",
    "project-copies",
    "project-items",
    "project-models",
    "project-model",
    "project-models-compare",
    "project-privacy",
    "project-export",
    "api:export",
    "api:items",
    "api:agreement",
    "api:near-copies",
    "api:payoff",
    "api:models-compare",
    "api:privacy",
]
OTHERS = ["label", "project", "project-review", "project-settings", "project-members", "api:progress", "api:project"]


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the replica's connection; the replica is always up to date."""
    monkeypatch.setitem(connections.settings, replica.REPLICA, connections.settings["default"])
    monkeypatch.setattr(router, "routers", [replica.Router()])
    monkeypatch.setattr(replica, "_lack", lambda seconds: "")
    monkeypatch.setattr(replica._Block, "resting_until", 0.0)
    connections[replica.REPLICA].alias = "default"  # Django's tests forbid others
    yield connections[replica.REPLICA]
    connections[replica.REPLICA].close()
    del connections[replica.REPLICA]


def test_only_reads_within_a_block_go_there(copy: Any) -> None:
    project = make_project()
    assert Project.objects.all().db == "default"
    with replica.reads():
        assert project.items.all().db == "replica"
        assert replica.reading() is copy
        assert Project.objects.get().pk == project.pk
        assert Session.objects.all().db == "default"
        assert router.db_for_write(Item) == "default"
        assert Project.objects.select_for_update().db == "default"
        with transaction.atomic():
            assert Project.objects.all().db == "default"
            assert replica.reading() is connections["default"]
    assert replica.reading() is connections["default"]


def test_a_block_in_a_transaction_reads_what_the_transaction_wrote(copy: Any) -> None:
    with transaction.atomic(), replica.reads():
        project = make_project()
        assert Project.objects.get() == project


def test_plain_statements_read_there_too_and_write_to_the_main_one(copy: Any) -> None:
    project = make_project()
    with CaptureQueriesContext(copy) as there, replica.reads():
        assert statements.rows("SELECT id FROM labeling_project", []) == [(project.pk,)]
        assert statements.rows("SELECT id FROM labeling_project", [], planned_anew=True) == [(project.pk,)]
        statements.change("UPDATE labeling_project SET seed = %s", [7])
    assert len(there) == 2


def test_what_is_done_with_a_chunk_is_not_read_there(copy: Any) -> None:
    def chunks() -> Iterator[bytes]:
        for chunk in (b"one", b"two"):
            assert replica.reading() is copy
            yield chunk

    for _ in replica.streamed(chunks()):
        assert replica.reading() is connections["default"]


def fail_once(*, after: int = 0) -> Any:
    ran = 0

    def away(execute: Any, *arguments: Any) -> Any:
        nonlocal ran
        ran += 1
        if ran == after + 1:
            raise OperationalError("the server closed the connection")
        return execute(*arguments)

    return away


def test_a_replica_that_fails_in_the_midst_is_no_error(copy: Any) -> None:
    make_project("one")
    make_project("two")
    with replica.reads(), copy.execute_wrapper(fail_once()):
        assert [each.slug for each in Project.objects.order_by("slug")] == ["one", "two"]
        assert replica.reading() is connections["default"]
    with CaptureQueriesContext(copy) as there, replica.reads():
        assert Project.objects.count() == 2
    assert len(there) == 0, "it is left alone for a while"


@pytest.mark.parametrize("after", range(6))
def test_an_export_goes_on_where_the_replica_failed(copy: Any, after: int) -> None:
    project = make_project()
    make_history(project, 3)
    whole = b"".join(export(project, "jsonl"))
    assert whole.count(b"\n") == 9
    copy.ensure_connection()
    copy.execute_wrappers.append(lambda *arguments: away(*arguments))
    away = fail_once(after=after)
    assert b"".join(export(project, "jsonl")) == whole


def test_one_that_is_behind_or_away_is_not_read(copy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(seconds: float) -> str:
        raise OperationalError("connection refused")

    for lack in (away, lambda seconds: "It is behind."):
        monkeypatch.setattr(replica, "_lack", lack)
        monkeypatch.setattr(replica._Block, "resting_until", 0.0)
        with replica.reads():
            assert replica.reading() is connections["default"]
            assert Project.objects.count() == 0
        assert list(replica.streamed(iter([b"a", b"b"]))) == [b"a", b"b"]


def test_the_log_has_a_line_a_minute() -> None:
    # Each set-up of Django in this process adds one more.
    once, *_ = [each for each in logging.getLogger("labeling.storage.db.replica").filters if isinstance(each, Seldom)]
    assert once._seconds == 60


def test_figures_are_read_there_and_change_nothing(copy: Any) -> None:
    project = make_project()
    make_history(project, 2)
    client = signed_in(make_member(project, "rita", Role.MANAGER))
    more = {"project-model": [1]}
    query = {"api:models-compare": {"a": 1, "b": 2}}
    for name in FIGURES:
        path = reverse(name, args=[project.slug, *more.get(name, [])], query=query.get(name))
        with recorded(connection) as here, recorded(copy) as there:
            response = client.get(path)
            assert response.status_code == 200, name
            if response.streaming:
                assert b"".join(response).count(b"\n") == 6
        assert len(there) > 0, name
        logged = name == "api:export"  # by an entry in the audit log
        for each in there if logged else (*here, *there):
            assert each.lstrip().startswith("SELECT"), (name, each)
        if name.startswith("project"):
            assert {"django_session", "labeling_user", "labeling_membership"} <= tables(here), name
        assert not {"django_session", "knox_authtoken"} & tables(there), name


@contextmanager
def recorded(database: Any) -> Iterator[list[str]]:
    """Record the statements that the connection runs within the block."""
    statements: list[str] = []

    def note(execute: Any, sql: str, *arguments: Any) -> Any:
        statements.append(sql)
        return execute(sql, *arguments)

    database.ensure_connection()
    with database.execute_wrapper(note):
        yield statements


def tables(statements: list[str]) -> set[str]:
    return {word.strip('"') for each in statements for word in each.replace(".", " ").split()}


def test_nothing_else_is(copy: Any) -> None:
    project = make_project()
    make_history(project, 2)
    client = signed_in(make_member(project, "rita", Role.MANAGER))
    token = AuthToken.objects.create(make_member(project, "ann"))[1]
    with CaptureQueriesContext(copy) as there:
        for name in OTHERS:
            assert client.get(reverse(name, args=[project.slug])).status_code == 200, name
        headers = {"Authorization": f"Token {token}"}
        path = reverse("api:claim", args=[project.slug])
        assert Client(headers=headers).post(path, {"count": 1}, "application/json").status_code == 200
    assert len(there) == 0


def test_a_replica_needs_postgresql_on_both_sides() -> None:
    postgresql = {"ENGINE": databases.POSTGRESQL, "NAME": "marginalia"}
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}
    for pair in ((postgresql, sqlite), (sqlite, postgresql), (sqlite, sqlite)):
        with pytest.raises(ImproperlyConfigured, match="needs PostgreSQL"):
            databases.replica(*pair)
    options = databases.replica({**postgresql, "OPTIONS": {"connect_timeout": 9}}, postgresql)["OPTIONS"]
    assert options["connect_timeout"] == 9
    assert options["prepare_threshold"] == 3
