"""Test that a full disk gives people and programs clear errors, and that reads continue."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from factories import make_items, make_member, make_open_batch, make_project
from processes import ROOT, environment, lay_tables

from labeling.models import Annotation
from labeling.queue import queue
from labeling.storage.disk.files import is_full
from tests.operations.servers import web_server

API = "/api/v1/projects/digits/"
SEED = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken
from labeling.models import Role
project = make_project()
make_open_batch(project, make_items(project, 200))
mona = make_member(project, "mona", Role.MANAGER)
session = SessionStore()
session.update({SESSION_KEY: str(mona.pk), BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend"})
session[HASH_SESSION_KEY] = mona.get_session_auth_hash()
session.save()
print(AuthToken.objects.create(mona)[1], session.session_key)
"""


def answer_of(task: int) -> dict[str, Any]:
    return {"annotations": [{"id": str(uuid.uuid4()), "task": task, "value": "1"}]}


# ── what databases say themselves of a disk that is full ──


@contextmanager
def no_room() -> Iterator[None]:
    """Make the database refuse writes with its error for a full disk."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("VACUUM")  # rows of earlier tests have left room
            cursor.execute("PRAGMA page_count")
            cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        else:
            cursor.execute(
                "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING "
                "ERRCODE = 'disk_full', MESSAGE = 'could not extend file \"base/1\": No space left on device'; END $$;"
                "CREATE TRIGGER no_room BEFORE INSERT ON labeling_annotation EXECUTE FUNCTION no_room();"
                "CREATE TRIGGER no_room BEFORE INSERT ON django_session EXECUTE FUNCTION no_room();"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA max_page_count = 1073741823")
            else:
                cursor.execute("DROP FUNCTION no_room CASCADE")


def at_work() -> tuple[Client, list[int]]:
    """Return an annotator's client, and the tasks that the annotator holds."""
    project = make_project()
    make_open_batch(project, make_items(project, 400))
    ann = make_member(project, "ann")
    client = Client(raise_request_exception=False)
    client.force_login(ann)
    return client, [task.pk for task in queue.claim(project=project, user=ann, count=400).tasks]


@pytest.mark.django_db(transaction=True)
def test_a_call_says_that_the_disk_is_full_and_reads_go_on() -> None:
    client, tasks = at_work()
    with no_room():
        for task in tasks:  # on SQLite, until the pages that there are have no room
            told = client.post(f"{API}annotations/", answer_of(task), "application/json")
            if told.status_code != 200:
                break
        reads = [client.get(url).status_code for url in ("/", "/p/digits/label/", f"{API}progress/", "/healthz")]
    assert (told.status_code, told.json()["code"], told["Retry-After"]) == (507, "disk_full", "60")
    assert told.json()["detail"].startswith("The disk of the server is full.")
    assert reads == [200] * 4
    stored = Annotation.objects.count()
    assert client.post(f"{API}annotations/", answer_of(task), "application/json").status_code == 200
    assert Annotation.objects.count() == stored + 1


@pytest.mark.django_db
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_page_that_cannot_store_a_file_says_that_the_disk_is_full(number: int) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make_member(make_project(), "ann"))

    def full(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    with connection.execute_wrapper(full):
        page = client.get("/")
    assert page.status_code == 507
    assert "The disk of the server is full" in page.content.decode()


def test_other_errors_of_files_are_no_full_disk() -> None:
    assert not is_full(None)
    assert not is_full(PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(OSError, match="No space left") as raised, Path("/dev/full").open("wb", buffering=0) as full:
        full.write(b"x")
    assert is_full(raised.value)


# ── a small disk that is really full ──


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a disk of 48 MB. Developers who may not mount have the tests above, with the databases' own errors."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], capture_output=True)
        if mounted.returncode:
            (pytest.fail if "CI" in os.environ else pytest.skip)(f"No disk can be mounted: {mounted.stderr.decode()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Write a file until the disk is full."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass
    return filler


@pytest.mark.long
@pytest.mark.django_db
def test_on_a_full_disk_all_can_be_read_and_answers_come_back_in(small_disk: Path, tmp_path: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("runs with the tests on SQLite")
    data = small_disk / "data"
    lay_tables(data / "db.sqlite3")
    own = {"DATA_DIR": str(data), "DATABASE_URL": f"sqlite:///{data / 'db.sqlite3'}", "READY_FREE_MB": "1"}
    env = {**environment(), **own, "PYTHONPATH": str(ROOT / "tests")}
    seed = [sys.executable, "manage.py", "shell", "--no-imports", "--command", SEED]
    made = subprocess.run(seed, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout
    token, session = made.split()[-2:]
    answers_errors = {"DEBUG": "false", "DJANGO_SETTINGS_MODULE": "settings_web", "PYTHONPATH": str(ROOT / "tests")}
    with (
        web_server(tmp_path, **own, **answers_errors) as (port, _),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http,
    ):
        program = {"Authorization": f"Token {token}"}
        tasks = http.post(f"{API}claim/", json={"count": 100}, headers=program).json()["tasks"]
        people = {"Cookie": f"sessionid={session}"}
        form = http.get("/p/digits/import/", headers=people)
        assert form.status_code == 200
        ready = http.get("/readyz").json()["checks"]
        assert (ready["database"]["ok"], ready["disk"]["ok"]) == (True, True)

        filler = fill(small_disk)
        told = [http.post(f"{API}annotations/", json=answer_of(task["id"]), headers=program) for task in tasks[:20]]
        reads = ["/", "/p/digits/", "/p/digits/items/", "/p/digits/import/", f"{API}progress/"]
        answers = [http.get(url, headers={**people, **program}) for url in reads]
        upload = http.post(f"{API}items/", files={"file": ("a.csv", bytes(1 << 22))}, headers=program)
        health = http.get("/healthz")
        time.sleep(2.1)  # a state is told again for two seconds
        failing = http.get("/readyz")

        filler.unlink()
        refused = [task for task, answer in zip(tasks, told, strict=False) if answer.status_code == 507]
        again = [http.post(f"{API}annotations/", json=answer_of(task["id"]), headers=program) for task in refused]

    assert {answer.status_code for answer in told} <= {200, 507}
    assert refused
    assert told[-1].json()["code"] == "disk_full"
    assert [answer.status_code for answer in answers] == [200] * len(reads)
    assert "disk of the server is full" in upload.text.lower()
    assert health.status_code == 200
    assert failing.status_code == 503
    states = failing.json()["checks"]
    assert states["disk"] == {"ok": False, "state": "The disk of DATA_DIR is full or nearly so: free space on it."}
    assert states["database"] == {"ok": False, "state": "The disk of the database is full: free space on it."}
    assert {answer.status_code for answer in again} == {200}


@pytest.mark.django_db(transaction=True)
def test_postgresql_on_a_full_disk_says_so_until_there_is_room(small_disk: Path) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("runs with the tests on PostgreSQL")
    client, tasks = at_work()
    with answers_on(small_disk):
        filler = fill(small_disk)
        for task in tasks:  # until the pages that there are have no room
            told = client.post(f"{API}annotations/", answer_of(task), "application/json")
            if told.status_code != 200:
                break
        reads = [client.get(url).status_code for url in ("/", "/p/digits/label/", f"{API}progress/", "/healthz")]
        filler.unlink()
        again = client.post(f"{API}annotations/", answer_of(task), "application/json")
    assert (told.status_code, told.json()["code"]) == (507, "disk_full")
    assert reads == [200] * 4
    assert again.status_code == 200


@contextmanager
def answers_on(disk: Path) -> Iterator[None]:
    """Move the table of annotations to this disk."""
    place = disk / "answers"
    place.mkdir()
    if os.getuid() == 0:
        shutil.chown(place, "postgres")
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        cursor.execute("ALTER TABLE labeling_annotation SET TABLESPACE small")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE labeling_annotation SET TABLESPACE pg_default")
            cursor.execute("DROP TABLESPACE small")
