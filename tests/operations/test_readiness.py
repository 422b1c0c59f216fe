"""Test that `/readyz` reports database, disk and worker, and that `/healthz` reports whether pages can be served."""

import datetime
import errno
import io
import tempfile
from typing import Any

import pytest
from django.conf import settings as ours
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from processes import manage, wait_until

from labeling.insight import readiness
from labeling.loop.signs import KEPT, MISSED_SECONDS, Signs
from labeling.models import WorkerSign
from labeling.web.gate.operators import Readyz

pytestmark = pytest.mark.django_db


def states(now: datetime.datetime | None = None) -> dict[str, bool]:
    return {check.name: check.ok for check in readiness.checks(now or timezone.now())}


def lines() -> dict[str, str]:
    return {check.name: check.state for check in readiness.checks(timezone.now())}


def test_all_is_there_while_a_worker_gives_signs() -> None:
    now = timezone.now()
    Signs()(now)
    assert states(now) == {"database": True, "disk": True, "worker": True}
    assert not Session.objects.exists()
    answer = Readyz(seconds=0)(Client().get("/readyz").wsgi_request)
    assert (answer.status_code, b'"status": "ready"' in answer.content) == (200, True)


def test_a_worker_that_is_gone_is_told_after_a_minute(client: Client) -> None:
    now = timezone.now()
    sign = Signs()
    sign(now)
    later = now + datetime.timedelta(seconds=MISSED_SECONDS + 1)
    assert states(later) == {"database": True, "disk": True, "worker": False}
    sign(later)
    assert states(later)["worker"]
    assert WorkerSign.objects.count() == 1


def test_a_sign_from_before_the_clock_was_set_back_is_none() -> None:
    now = timezone.now()
    sign = Signs()
    sign(now + datetime.timedelta(hours=1))
    assert not states(now)["worker"]
    sign(now)
    assert states(now)["worker"]


def test_of_several_workers_one_is_enough_and_old_ones_are_forgotten() -> None:
    now = timezone.now()
    Signs()(now - KEPT - datetime.timedelta(seconds=1))
    Signs()(now)
    assert WorkerSign.objects.count() == 1
    assert states(now)["worker"]


def test_without_a_worker_it_is_503_and_pages_are_still_served(client: Client) -> None:
    answer = Readyz(seconds=0)(client.get("/readyz").wsgi_request)
    assert (answer.status_code, b'"status": "failing"' in answer.content) == (503, True)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.post("/readyz").status_code == 405
    assert "no-cache" in client.get("/readyz")["Cache-Control"]


def test_a_disk_with_less_room_than_asked_for_is_told(settings: Any) -> None:
    settings.READY_FREE_MB = 1 << 40
    assert lines()["disk"] == "The disk of DATA_DIR is full or nearly so: free space on it."


def test_a_folder_that_takes_no_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: object) -> io.BytesIO:
        raise OSError(errno.EROFS, "Read-only file system", str(ours.DATA_DIR))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert lines()["disk"] == "No file can be written to DATA_DIR: see the log."


def test_a_database_that_takes_no_writes_is_told() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL default_transaction_read_only = on; SET LOCAL transaction_read_only = on")
        assert not states()["database"]
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = on")
    try:
        assert not states()["database"]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = off")


def test_a_database_that_is_away_is_told_but_not_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    def away(*arguments: Any) -> None:
        raise OperationalError('connection to server at "10.0.0.7" failed for user "marginalia"')

    with connection.execute_wrapper(away):
        told = lines()
    assert told["database"] == "The database does not answer, or takes no writes: see the log."
    assert told["worker"] == "Not known while the database does not answer."
    assert not any("10.0.0.7" in line for line in told.values())
    assert "10.0.0.7" in caplog.text


def test_a_state_is_told_again_for_a_while(rf: Any) -> None:
    readyz = Readyz(seconds=600)
    first = readyz(rf.get("/readyz"))
    Signs()(timezone.now())
    assert readyz(rf.get("/readyz")).content == first.content


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_gives_signs() -> None:
    process = manage("worker")
    try:
        wait_until(WorkerSign.objects.exists)
    finally:
        process.kill()
        process.communicate()
    assert states()["worker"]
