"""Test that requests answer 503 while PostgreSQL restarts, and that the worker waits and continues."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection
from django.test import Client
from factories import make_member, make_project
from knox.models import AuthToken
from loop.steps_apart import worker_of_steps
from operations.servers import Postgres, running_postgres
from processes import ROOT, environment, wait_until, web

# An open batch of which one task of ten is answered, and a token.
SEED = """
import uuid
from factories import make_items, make_member, make_open_batch, make_project
from knox.models import AuthToken
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
project = make_project()
batch = make_open_batch(project, make_items(project, 10))
ann = make_member(project, "ann")
task = queue.claim(project=project, user=ann, count=1).tasks[0]
submitting.submit(project=project, user=ann, answers=[Answer(id=uuid.uuid4(), task=task.pk, value=1)])
print(AuthToken.objects.create(ann)[1])
"""
OVERDUE = "UPDATE labeling_batch SET deadline_at = now(), complete_share = 0.1"


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    if connection.vendor != "postgresql":
        pytest.skip("runs with the tests on PostgreSQL")
    with running_postgres() as server:
        # Commits are waited for, as in an installation: a crash loses none.
        server.carry_out("ALTER ROLE marginalia SET synchronous_commit = on")
        yield server


@pytest.mark.slow
@pytest.mark.django_db
def test_requests_and_the_worker_outlive_a_restart(postgres: Postgres, tmp_path: Path) -> None:
    postgres.manage("migrate", "--verbosity", "0")
    token = postgres.python(SEED).split()[-1]
    answers: list[httpx.Response] = []
    over = threading.Event()

    def claim(port: int) -> None:
        with httpx.Client(headers={"Authorization": f"Token {token}"}, timeout=30, trust_env=False) as http:
            while not over.is_set():
                answers.append(http.post(f"http://127.0.0.1:{port}/api/v1/projects/digits/claim/", json={"count": 1}))
                time.sleep(0.02)

    def wait_for(status: int) -> None:
        before = len(answers)
        wait_until(lambda: any(each.status_code == status for each in answers[before:]))

    env = {**environment(), "DATABASE_URL": postgres.url}
    command = [sys.executable, "manage.py", "worker"]
    log = tmp_path / "log"
    with (
        web(DATABASE_URL=postgres.url) as (_, port),
        log.open("wb") as lines,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=lines, stderr=lines) as worker,
    ):
        thread = threading.Thread(target=claim, args=(port,))
        thread.start()
        try:
            wait_for(200)
            wait_until(lambda: "is ready" in log.read_text())
            time.sleep(0.5)  # it asks for work by now
            postgres.control("restart")
            wait_for(200)
            postgres.control("stop")
            wait_for(503)
            postgres.control("restart")  # starts one that is not running, with the options it had
            wait_for(200)
            postgres.carry_out(OVERDUE)
            # There is nothing to train with.
            wait_until(lambda: ("train", "failed") in postgres.ask("SELECT kind, state FROM labeling_job"))
            assert worker.poll() is None
        finally:
            over.set()
            thread.join()
            worker.kill()
    assert {each.status_code for each in answers} == {200, 503}
    for each in answers:
        if each.status_code == 503:
            assert each.json()["code"] == "unavailable"
            assert int(each.headers["Retry-After"]) > 0


# A project whose training reads the database without a pause.
READS = """
from factories import make_items, make_open_batch, make_project
from labeling.models import Batch, Job
project = make_project("reads")
batch = make_open_batch(project, make_items(project, 1))
Batch.objects.update(state="training")
Job.objects.enqueue("train", project=project, batch=batch)
"""
# More often than a step's process may die, or a worker.
CRASHES = 11


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.django_db
def test_a_step_waits_for_a_database_that_crashes_again_and_again(postgres: Postgres) -> None:
    postgres.manage("migrate", "--verbosity", "0")
    postgres.python(READS)

    def state() -> tuple[object, ...]:
        return postgres.ask("SELECT state, phase, attempts, reason FROM labeling_job")[0]

    def waits() -> bool:  # by one query: it may run again soon
        now = state()
        return now[0] == "waiting" and "The database did not answer" in str(now[3])

    with worker_of_steps(DATABASE_URL=postgres.url) as worker:
        for _ in range(CRASHES):
            wait_until(lambda: state()[:2] == ("running", "reads"))
            postgres.control("restart", mode="immediate")  # as a kill would be, for all who are connected
            wait_until(waits)
            postgres.carry_out("UPDATE labeling_job SET run_after = now()")
        postgres.carry_out("UPDATE labeling_project SET name = 'enough'")
        wait_until(lambda: state()[0] == "done")
        assert state()[2:] == (1, "")
        worker.kill()
        log = worker.communicate()[0]
    assert "train (job 1 of project reads) waits for the database" in log
    assert "Unable to print" not in log
    assert "Traceback" not in log


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("the server closed the connection"), InterfaceError("closed")])
def test_whatever_asks_a_database_that_is_away_is_told_to_come_back(error: Exception) -> None:
    project = make_project()
    ann = make_member(project, "ann")
    client = Client(raise_request_exception=False)
    client.force_login(ann)
    token = {"HTTP_AUTHORIZATION": f"Token {AuthToken.objects.create(ann)[1]}"}

    def away(*arguments: Any) -> None:
        raise error

    with connection.execute_wrapper(away):
        page = client.get("/projects/digits/")
        told = client.post("/api/v1/projects/digits/claim/", {"count": 1}, "application/json", **token)

    assert (page.status_code, told.status_code) == (503, 503)
    assert page["Retry-After"] == told["Retry-After"] == "2"
    assert "The server will be back in a moment" in page.content.decode()
    detail = "The database does not answer at the moment. Send the request again soon."
    assert told.json() == {"code": "unavailable", "detail": detail}


@pytest.mark.django_db
def test_a_defect_is_no_absence() -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make_member(make_project(), "ann"))

    def wrong(execute: Any, sql: str, *arguments: Any) -> Any:
        if connection.vendor == "sqlite":
            return execute("SELECT nothing FROM nowhere", (), *arguments[1:])
        raise ProgrammingError("relation nowhere does not exist")

    with connection.execute_wrapper(wrong):
        assert client.get("/projects/digits/").status_code == 500


@pytest.mark.django_db
def test_a_connection_that_the_server_has_closed_is_known_without_asking_it(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("runs with the tests on PostgreSQL")
    from django.db.backends.postgresql import base  # with the driver

    kept = connection.copy()
    try:
        with kept.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), current_setting('jit')")
            pid, jit = cursor.fetchone()
        assert jit == "off"
        with monkeypatch.context() as patched:
            patched.setattr(base.DatabaseWrapper, "is_usable", refuse)
            assert kept.is_usable()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not kept.is_usable())
        kept.close_if_unusable_or_obsolete()
        with kept.cursor() as cursor:
            cursor.execute("SELECT 1")  # on a new one
        kept.connection.close()
        assert not kept.is_usable()
    finally:
        kept.close()
    assert not kept.is_usable()


def refuse(self: object) -> bool:
    raise AssertionError("the server was asked")
