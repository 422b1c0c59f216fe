"""Test that a step that a temporary cause stops is repeated with growing pauses, and never fails."""

import datetime
import errno
import logging
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from factories import make_items, make_open_batch, make_project
from psycopg import errors

from labeling.loop.step import ComputeAway, Step, StepLost
from labeling.models import Job
from labeling.steps.running import worker as worker_module
from labeling.steps.running.worker import Worker
from labeling.storage.db import outages
from labeling.storage.shared_files import StoreAway

pytestmark = pytest.mark.django_db(transaction=True)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


def locked() -> Exception:
    """Return SQLite's error for a writer that waited too long."""
    cause = Exception("database is locked")
    cause.sqlite_errorname = "SQLITE_BUSY"  # type: ignore[attr-defined]
    return raised(OperationalError("database is locked"), cause)


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (raised(OperationalError(), errors.AdminShutdown()), True),
        (raised(OperationalError(), errors.CrashShutdown()), True),
        (raised(OperationalError(), errors.CannotConnectNow()), True),
        (raised(OperationalError(), errors.ConnectionFailure()), True),
        (raised(OperationalError("server closed the connection unexpectedly"), errors.OperationalError()), True),
        (raised(InterfaceError("the connection is closed"), errors.InterfaceError()), True),
        (raised(OperationalError(), errors.DeadlockDetected()), False),
        (raised(OperationalError(), errors.DiskFull()), False),
        (locked(), False),
        (ValueError(), False),
    ],
)
def test_a_database_that_is_gone_is_told_from_one_that_answers(error: Exception, gone: bool) -> None:
    assert outages.has_gone(error) is gone


@pytest.mark.parametrize(
    "cause", [ComputeAway("no cluster"), StoreAway("no store"), locked(), OSError(errno.ENOSPC, "No space left")]
)
def test_a_step_is_put_off_for_as_long_as_it_takes(cause: Exception) -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    waits: list[int] = []

    def step(step: Step) -> None:
        if len(waits) < 15:
            raise cause
        with step.finish():
            pass

    worker = Worker(step)
    while worker.run_next():
        job.refresh_from_db()
        if job.state == Job.State.WAITING:
            assert job.reason
            waits.append(round((job.run_after - timezone.now()).total_seconds()))
            Job.objects.update(run_after=timezone.now())
    assert job.state == Job.State.DONE
    assert waits[:4] == [2, 4, 8, 16]
    assert set(waits[8:]) == {256}


def test_an_attempt_that_did_a_part_of_the_work_counts_as_the_first() -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    Job.objects.update(attempts=5)

    def step(step: Step) -> None:
        raise ComputeAway("too many requests", moved_on=True)

    Worker(step).run_next()
    job.refresh_from_db()
    assert job.attempts == 1
    assert round((job.run_after - timezone.now()).total_seconds()) == 2


def test_a_database_that_is_gone_costs_no_attempt() -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())

    def step(step: Step) -> None:
        raise OperationalError("terminating connection due to unexpected postmaster exit")

    for _ in range(20):
        Worker(step).run_next()
        job.refresh_from_db()
        assert (job.state, job.attempts) == (Job.State.WAITING, 0)
        Job.objects.update(run_after=timezone.now())


def test_progress_that_cannot_be_written_ends_no_step() -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())

    def away(*arguments: Any) -> None:
        raise OperationalError("the server closed the connection")

    def step(step: Step) -> None:
        with connection.execute_wrapper(away):
            step.report("encoding", 0.5)
        step.report("writing", 0.7)
        with step.finish():
            pass

    Worker(step).run_next()
    job.refresh_from_db()
    assert (job.state, job.phase) == (Job.State.DONE, "writing")


def test_lines_of_the_log_ask_no_database(django_assert_num_queries: Any) -> None:
    project = make_project()
    batch = make_open_batch(project, make_items(project, 1))
    Job.objects.enqueue(Job.Kind.TRAIN, project=project, batch=batch)
    job = Job.objects.get()
    with django_assert_num_queries(0):
        assert str(job) == f"train (job {job.pk} of project {project.pk})"
    assert str(Job.objects.select_related("project").get()) == f"train (job {job.pk} of project digits)"


def test_a_step_that_meets_a_database_that_is_gone_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away when the log line is written, and returns later."""
    monkeypatch.setattr(outages, "AWAY_SECONDS", 0.01)
    project = make_project()
    batch = make_open_batch(project, make_items(project, 1))
    Job.objects.enqueue(Job.Kind.TRAIN, project=project, batch=batch)
    left = 0

    def away(execute: Any, *arguments: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise OperationalError("the server closed the connection")
        return execute(*arguments)

    def step(step: Step) -> None:
        nonlocal left
        left = 5
        Job.objects.count()

    with caplog.at_level(logging.INFO), connection.execute_wrapper(away):
        Worker(step).run_next()
    assert "of project digits) waits for the database" in caplog.text
    assert Job.objects.get().state == Job.State.WAITING


def test_heartbeats_that_the_database_could_not_take_are_waited_for() -> None:
    """After an absence of the database, workers on other hosts have until the next check to write a heartbeat."""
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    assert Job.objects.take(job, "elsewhere:1:a", timezone.now() - datetime.timedelta(minutes=5))
    worker = Worker(lambda step: None)

    def away(*arguments: Any) -> None:
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        worker.look_around()
    worker.look_around()
    assert Job.objects.get().state == Job.State.RUNNING
    worker.look_around()
    assert Job.objects.get().state == Job.State.WAITING, "it has not"


# ── a clock that jumps ──


def taken(job: Job, worker: str) -> Step:
    job = Job.objects.get(pk=job.pk)
    assert Job.objects.take(job, worker, timezone.now())
    return Step(job)


def test_a_clock_that_jumps_ahead_lets_two_workers_run_a_step_and_one_of_them_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    first, written = taken(job, "host-a:1:a"), list[str]()
    later = timezone.now() + datetime.timedelta(hours=5)
    with monkeypatch.context() as patch:
        patch.setattr(worker_module.timezone, "now", lambda: later)  # the other host's clock
        Worker(lambda step: None).look_around()
        second = taken(job, "host-b:1:b")
    with pytest.raises(StepLost):
        first.report("still at it", 0.9)
    with pytest.raises(StepLost), first.finish():
        written.append("first")
    with second.finish():
        written.append("second")
    assert written == ["second"]
    assert Job.objects.get().state == Job.State.DONE


def test_a_worker_whose_clock_jumps_does_not_take_its_own_steps_for_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    worker = Worker(lambda step: None)
    running = taken(job, worker.name).job
    monkeypatch.setattr(worker, "_jobs", lambda: [running])
    monkeypatch.setattr(worker_module.timezone, "now", lambda: running.started_at + datetime.timedelta(hours=5))
    worker.look_around()
    job.refresh_from_db()
    assert job.state == Job.State.RUNNING
