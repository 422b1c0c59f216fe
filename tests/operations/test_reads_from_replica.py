"""Test which reads use the replica: here a second connection to the test's database, and a real one by streaming
replication.
"""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, connections, router, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factories import make_member, make_project
from knox.models import AuthToken
from operations.servers import Postgres, replica_of, running_postgres, web_server
from pages import make_history, signed_in
from processes import wait_until

from config import databases
from labeling.models import Item, Project, Role
from labeling.observing.logs import Seldom
from labeling.outgoing.exports import export
from labeling.storage.db import replica, statements

FIGURES = [
    "project-progress", "project-agreement", "project-copies", "project-items", "project-models", "project-model",
    "project-models-compare", "project-privacy", "project-export", "api:export", "api:items", "api:agreement",
    "api:near-copies", "api:payoff", "api:models-compare", "api:privacy",
]  # fmt: skip
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


@pytest.mark.django_db(transaction=True)
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
    with CaptureQueriesContext(copy) as there, replica.reads():
        assert statements.rows("SELECT id FROM labeling_project", []) == [(project.pk,)]
        assert statements.rows("SELECT id FROM labeling_project", [], planned_anew=True) == [(project.pk,)]
        statements.change("UPDATE labeling_project SET seed = %s", [7])
    assert len(there) == 2, "a statement that writes goes to the main one"
    with transaction.atomic(), replica.reads():
        other = make_project("other")
        assert Project.objects.get(slug="other") == other, "a transaction reads what it wrote"


@pytest.mark.django_db(transaction=True)
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


@pytest.mark.django_db(transaction=True)
def test_a_replica_that_fails_in_the_midst_is_no_error(copy: Any) -> None:
    make_project("one")
    make_project("two")
    with replica.reads(), copy.execute_wrapper(fail_once()):
        assert [each.slug for each in Project.objects.order_by("slug")] == ["one", "two"]
        assert replica.reading() is connections["default"]
    with CaptureQueriesContext(copy) as there, replica.reads():
        assert Project.objects.count() == 2
    assert len(there) == 0, "it is left alone for a while"


@pytest.mark.django_db(transaction=True)
def test_an_export_goes_on_where_the_replica_failed(copy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    make_history(project, 3)
    whole = b"".join(export(project, "jsonl"))
    assert whole.count(b"\n") == 9
    copy.ensure_connection()
    copy.execute_wrappers.append(lambda *arguments: away(*arguments))
    for after in range(6):
        away = fail_once(after=after)
        monkeypatch.setattr(replica._Block, "resting_until", 0.0)
        assert b"".join(export(project, "jsonl")) == whole


@pytest.mark.django_db(transaction=True)
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


@pytest.mark.django_db(transaction=True)
def test_the_log_has_a_line_a_minute() -> None:
    # Each set-up of Django in this process adds one more.
    once, *_ = [each for each in logging.getLogger("labeling.storage.db.replica").filters if isinstance(each, Seldom)]
    assert once._seconds == 60


@pytest.mark.django_db(transaction=True)
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


@pytest.mark.django_db(transaction=True)
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


@pytest.mark.django_db(transaction=True)
def test_a_replica_needs_postgresql_on_both_sides() -> None:
    postgresql = {"ENGINE": databases.POSTGRESQL, "NAME": "marginalia"}
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}
    for pair in ((postgresql, sqlite), (sqlite, postgresql), (sqlite, sqlite)):
        with pytest.raises(ImproperlyConfigured, match="needs PostgreSQL"):
            databases.replica(*pair)
    options = databases.replica({**postgresql, "OPTIONS": {"connect_timeout": 9}}, postgresql)["OPTIONS"]
    assert options["connect_timeout"] == 9
    assert options["prepare_threshold"] == 3


API = "/api/v1/projects/digits"
PAGES = ["progress", "agreement", "items", "models", "export"]
# A project of which two items of six are answered; a session of its engineer, and tokens.
SEED = """
import uuid
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
project = make_project()
make_open_batch(project, make_items(project, 6))
ann, eve = make_member(project, "ann"), make_member(project, "eve", "engineer")
for task in queue.claim(project=project, user=ann, count=2).tasks:
    submitting.submit(project=project, user=ann, answers=[Answer(id=uuid.uuid4(), task=task.pk, value=1)])
client = Client()
client.force_login(eve)
print(client.cookies["sessionid"].value, *(AuthToken.objects.create(user)[1] for user in (ann, eve)))
"""
# An export, a row a chunk, whose connection to the replica is ended behind the first.
CUT_OFF = """
import os, psycopg
from django.db import connections
from labeling.storage.db import replica
from labeling.models import Project
from labeling.outgoing.exports.rows import pages
project = Project.objects.get()
seen = []
def chunks():
    for page in pages(project, size=1):
        yield page[0]["external_id"].encode()
        seen.append(replica.reading().alias)
for chunk in replica.streamed(chunks()):
    with psycopg.connect(os.environ["DATABASE_REPLICA_URL"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connections["replica"].connection.info.backend_pid])
    print(chunk.decode())
print(*seen)
"""


@pytest.fixture
def main() -> Iterator[Postgres]:
    with running_postgres() as server:
        # Commits are waited for, as in an installation.
        server.carry_out("ALTER ROLE marginalia SET synchronous_commit = on")
        yield server


class Site:
    """The web server with both databases: the `people` by name, and the replica's statements."""

    def __init__(self, port: int, replica: Postgres, session: str, tokens: dict[str, str]) -> None:
        base = f"http://127.0.0.1:{port}"
        self._log = replica.data.parent / "replica.log"
        self._end = 0
        self.browser = httpx.Client(base_url=base, cookies={"sessionid": session}, timeout=30, trust_env=False)
        self.people = {
            name: httpx.Client(base_url=base, headers={"Authorization": f"Token {token}"}, timeout=30, trust_env=False)
            for name, token in tokens.items()
        }

    def asked(self) -> str:
        """Return the statements that the replica has run on rows since the last call."""
        lines = self._log.read_text()[self._end :]
        self._end += len(lines)
        return "\n".join(line for line in lines.splitlines() if "labeling_" in line)

    def export(self) -> httpx.Response:
        return self.people["eve"].get(f"{API}/export/")

    def answer(self) -> None:
        """Let Ann label an item."""
        claimed = self.people["ann"].post(f"{API}/claim/", json={"count": 1}).raise_for_status().json()
        answer = {"id": str(uuid.uuid4()), "task": claimed["tasks"][0]["id"], "value": "2"}
        submitted = self.people["ann"].post(f"{API}/annotations/", json={"annotations": [answer]})
        assert not submitted.raise_for_status().json()["rejected"]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.django_db
def test_a_replica_takes_reads_and_nobody_misses_anything(main: Postgres, tmp_path: Path) -> None:
    session, ann, eve = main.python(SEED).split()[-3:]
    with replica_of(main) as replica:
        urls = {"DATABASE_URL": main.url, "DATABASE_REPLICA_URL": replica.url}
        cut_off = main.python(CUT_OFF, **urls).split()
        assert cut_off == ["item-0000", "item-0001", "replica", "default"]
        with web_server(tmp_path, **urls, SECRET_KEY="only-for-tests", WEB_CONCURRENCY="1") as (port, log):
            site = Site(port, replica, session, {"ann": ann, "eve": eve})
            reads_and_answers(site)
            stale(site, replica)
            assert log.read_text().count("Read from the main database, not from the replica") == 1
            replica.ask("SELECT pg_wal_replay_resume()::text")
            wait_until(lambda: len(rows(site.export())) == 4 and "labeling_task" in site.asked(), every=0.2, seconds=20)
            revoked(site, main, replica)
            replica.control("stop", mode="immediate")
            site.answer()
            assert site.browser.get("/p/digits/label/").status_code == 404, "she is no member"
            main.ask("INSERT INTO labeling_membership SELECT * FROM kept RETURNING id")
            assert len(rows(site.export())) == 5
            for page in PAGES:
                assert site.browser.get(f"/p/digits/{page}/").status_code == 200


def rows(response: httpx.Response) -> list[str]:
    return response.raise_for_status().text.splitlines()


def reads_and_answers(site: Site) -> None:
    assert len(rows(site.export())) == 2
    assert "labeling_task" in site.asked()
    for page in PAGES:
        assert site.browser.get(f"/p/digits/{page}/").status_code == 200
        assert site.asked(), page
    site.answer()
    assert site.people["ann"].get("/p/digits/label/").status_code in (200, 302)
    assert not site.asked()
    assert len(rows(site.export())) == 3
    assert "labeling_task" in site.asked(), "it waits until the replica has the answer"


def stale(site: Site, replica: Postgres) -> None:
    """A lagging replica does not have the answer yet."""
    replica.ask("SELECT pg_wal_replay_pause()::text")
    site.answer()
    for _ in range(2):
        assert len(rows(site.export())) == 4
    assert not site.asked()


def revoked(site: Site, main: Postgres, replica: Postgres) -> None:
    """A removed member is refused at once, although the replica still has the membership."""
    replica.ask("SELECT pg_wal_replay_pause()::text")
    whose = "user_id = (SELECT id FROM labeling_user WHERE username = 'eve')"
    main.run(
        "psql", "-q", "-d", main.url, "-c", f"CREATE TABLE kept AS SELECT * FROM labeling_membership WHERE {whose}"
    )
    assert main.ask(f"DELETE FROM labeling_membership WHERE {whose} RETURNING id")
    assert replica.ask(f"SELECT id FROM labeling_membership WHERE {whose}")
    assert site.export().status_code == 404
    assert site.browser.get("/p/digits/items/").status_code == 404
