"""Test reads from a replica by streaming replication: they miss no acknowledged write, and the replica may stop."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from operations.servers import Postgres, replica_of, running_postgres, web_server
from processes import wait_until

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
