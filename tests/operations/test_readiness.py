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

from labeling.insight import monitoring
from labeling.loop.signs import KEPT, MISSED_SECONDS, Signs
from labeling.models import WorkerSign
from labeling.web.gate.operators import Readyz

pytestmark = pytest.mark.django_db


def states(now: datetime.datetime | None = None) -> dict[str, bool]:
    return {check.name: check.ok for check in monitoring.checks(now or timezone.now())}


def lines() -> dict[str, str]:
    return {check.name: check.state for check in monitoring.checks(timezone.now())}


def test_a_worker_that_gives_no_sign_for_a_minute_is_told() -> None:
    now = timezone.now()
    sign = Signs()
    sign(now)
    assert states(now) == {"database": True, "disk": True, "worker": True}
    assert not Session.objects.exists()
    answer = Readyz(seconds=0)(Client().get("/readyz").wsgi_request)
    assert (answer.status_code, b'"status": "ready"' in answer.content) == (200, True)
    later = now + datetime.timedelta(seconds=MISSED_SECONDS + 1)
    assert states(later) == {"database": True, "disk": True, "worker": False}
    sign(later)
    assert states(later)["worker"]
    assert WorkerSign.objects.count() == 1


def test_one_of_several_workers_is_enough_old_ones_and_signs_of_the_future_do_not_count() -> None:
    now = timezone.now()
    Signs()(now - KEPT - datetime.timedelta(seconds=1))
    Signs()(now)
    assert WorkerSign.objects.count() == 1
    assert states(now)["worker"]
    assert not states(now - datetime.timedelta(hours=1))["worker"], "the clock was set back"


def test_without_a_worker_it_is_503_and_pages_are_still_served(client: Client) -> None:
    answer = Readyz(seconds=0)(client.get("/readyz").wsgi_request)
    assert (answer.status_code, b'"status": "failing"' in answer.content) == (503, True)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.post("/readyz").status_code == 405
    assert "no-cache" in client.get("/readyz")["Cache-Control"]


def test_a_disk_without_room_and_a_folder_that_takes_no_files_are_told(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(dir: object) -> io.BytesIO:
        raise OSError(errno.EROFS, "Read-only file system", str(ours.DATA_DIR))

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "TemporaryFile", refuse)
        assert lines()["disk"] == "No file can be written to DATA_DIR: see the log."
    settings.READY_FREE_MB = 1 << 40
    assert lines()["disk"] == "The disk of DATA_DIR is full or nearly so: free space on it."


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


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_a_real_worker_gives_signs() -> None:
    process = manage("worker")
    try:
        wait_until(WorkerSign.objects.exists)
    finally:
        process.kill()
        process.communicate()
    assert states()["worker"]
