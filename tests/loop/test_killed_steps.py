"""Test that a step whose process dies is tried again by itself, after growing waits and with less memory, and that a
step that dies each time fails.
"""

import datetime
import os
import signal
from pathlib import Path

import pytest
from django.utils import timezone
from processes import ON_LINUX, wait_until
from starter import Process
from steps_apart import enqueued, worker_of_steps

from labeling.insight.progress import progress_of
from labeling.insight.status import put_off_of
from labeling.loop import endings, retrying
from labeling.models import Batch, Job, PrivateTraining, Project
from labeling.models.jobs import MAX_ATTEMPTS
from labeling.projects.privacy import ledger
from labeling.steps.running.lanes import ALONE, Lane, Lanes
from labeling.steps.running.worker import Worker
from labeling.web.batches.running_batch import step_line

pytestmark = [pytest.mark.django_db(transaction=True), ON_LINUX]


def state(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def kill_step(worker: Process, job: Job) -> None:
    """Kill the process of the job's step when it has begun, and wait until the worker has noticed."""
    wait_until(lambda: state(job) == Job.State.RUNNING and job.phase != "")
    attempt = job.attempts
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    [forks] = [pid for pid in children if Path(f"/proc/{pid}/task/{pid}/children").read_text()]
    for step in Path(f"/proc/{forks}/task/{forks}/children").read_text().split():
        os.kill(int(step), signal.SIGKILL)
    wait_until(lambda: state(job) != Job.State.RUNNING or job.attempts > attempt)


def waits(job: Job) -> datetime.timedelta:
    """Return the time from the last heartbeat to the next attempt, rounded to minutes."""
    assert job.heartbeat_at is not None
    return datetime.timedelta(minutes=round((job.run_after - job.heartbeat_at).total_seconds() / 60))


def let_begin() -> None:
    Job.objects.waiting().update(run_after=timezone.now() - ALONE)


def test_a_step_that_is_killed_is_tried_again_with_one_thread_until_it_fails_and_pages_say_when(tmp_path: Path) -> None:
    hung = enqueued("hangs")
    threads = tmp_path / "threads"
    note = f"worker.use_threads = lambda threads: open({str(threads)!r}, 'a').write(str(threads))"
    with worker_of_steps(settings=note, WORKER_THREADS="3") as worker:
        for minutes in endings.DEATH_MINUTES:
            kill_step(worker, hung)
            assert (hung.state, waits(hung)) == (Job.State.WAITING, datetime.timedelta(minutes=minutes))
            assert Batch.objects.get().state == Batch.State.TRAINING
            progress = progress_of(hung.project)
            assert progress["retry_at"] == hung.run_after
            assert "training the model · tried again in about " in step_line(progress)
            [line] = put_off_of(hung.project)
            assert line["retry_at"] == hung.run_after
            assert line["reason"] == "The process of this step died (signal 9, SIGKILL)."
            let_begin()
        wait_until(lambda: state(hung) == Job.State.RUNNING and hung.phase != "")
        assert progress_of(hung.project)["retry_at"] is None
        assert threads.read_text() == "3111"
        kill_step(worker, hung)
        assert hung.state == Job.State.FAILED
        assert worker.poll() is None
    assert hung.reason.startswith("The process of this step died (signal 9, SIGKILL). It died 4 times: see the worker")
    batch = Batch.objects.get()
    assert (batch.state, batch.reason) == (Batch.State.FAILED, hung.reason)
    retrying.retry(batch=batch)
    again = Job.objects.get()
    assert (again.kind, again.state, again.attempts, again.deaths) == (hung.kind, Job.State.WAITING, 0, 0)


@pytest.mark.long
def test_a_step_begins_again_when_nothing_else_takes_memory_or_after_a_while() -> None:
    died, hung = enqueued("fine-a", Job.Kind.ENCODE), enqueued("hangs", Job.Kind.ENCODE)
    Job.objects.filter(pk=died.pk).update(deaths=1, run_after=timezone.now() + datetime.timedelta(hours=1))
    with worker_of_steps():
        wait_until(lambda: state(hung) == Job.State.RUNNING)
        Job.objects.filter(pk=died.pk).update(run_after=timezone.now())
        other = enqueued("fine-b", Job.Kind.ENCODE)
        wait_until(lambda: state(other) == Job.State.DONE)
        assert state(died) == Job.State.WAITING
        let_begin()
        wait_until(lambda: state(died) == Job.State.DONE)


def test_a_worker_that_dies_costs_the_step_nothing_until_it_dies_often() -> None:
    job = enqueued("fine", Job.Kind.ENCODE)
    ends: list[tuple[str, float]] = []
    for _ in range(MAX_ATTEMPTS + len(endings.DEATH_MINUTES)):
        let_begin()
        job.refresh_from_db()
        assert Job.objects.take(job, "elsewhere:1:dead", timezone.now() - datetime.timedelta(minutes=1))
        now = timezone.now()
        Worker(lambda step: None).look_around()
        ends.append((state(job), round((job.run_after - now).total_seconds() / 60)))
    assert ends[:-1] == [("waiting", wait) for wait in [0] * (MAX_ATTEMPTS - 1) + list(endings.DEATH_MINUTES)]
    assert ends[-1][0] == "failed"
    assert "(and its worker; the step was started 13 times)" in job.reason


# ── private trainings ──


def spend(job: Job) -> None:
    """Enter a training in the ledger, as the step does before it trains."""
    assert job.batch is not None
    ledger.start(project=job.project, batch=job.batch, labels=100, repeats=job.attempts > 1)


@pytest.mark.long
def test_a_private_training_is_repeated_once_and_then_asks_a_person() -> None:
    enqueued("private")
    Project.objects.update(privacy_epsilon=8.0, privacy_delta=1e-4, privacy_trainings=9)

    def dies(*, spends: bool) -> Job:
        job = Job.objects.get()
        assert Job.objects.take(job, "elsewhere:1:x", timezone.now())
        if spends:
            spend(job)
        endings.died(job, status=-signal.SIGKILL)
        job.refresh_from_db()
        return job

    assert dies(spends=False).state == Job.State.WAITING, "no training had begun"
    assert "the next start spends privacy budget once more" in dies(spends=True).reason
    failed = dies(spends=True)
    assert failed.state == Job.State.FAILED
    assert "2 private trainings for this batch were started and did not end" in failed.reason
    retrying.retry(batch=Batch.objects.get())
    assert dies(spends=True).state == Job.State.FAILED, "each retry starts one"
    assert PrivateTraining.objects.count() == 3


@pytest.mark.parametrize("how", ["worker", "database", "store"])
def test_whatever_ends_a_private_training_a_third_is_not_started_unasked(how: str) -> None:
    job = enqueued("private")
    Project.objects.update(privacy_epsilon=8.0, privacy_delta=1e-4, privacy_trainings=9)
    for start in range(4):
        job = Job.objects.get()
        assert Job.objects.take(job, "elsewhere:1:dead", timezone.now() - datetime.timedelta(minutes=1))
        if start == 2:
            with pytest.raises(ledger.BudgetSpent, match="None starts by itself any more"):
                spend(job)
            endings.fail(job, "")
            retrying.retry(batch=Batch.objects.get())
            continue
        spend(job)
        if how == "worker":
            Worker(lambda step: None).look_around()
        elif how == "database":
            endings.again(job)
        else:
            endings.put_off(job, "The store does not answer.")
        let_begin()
    assert PrivateTraining.objects.count() == 3


def test_what_waits_to_run_alone_does_not_wait_for_steps_that_ask_servers_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = enqueued("hangs")
    Job.objects.filter(pk=job.pk).update(deaths=1, run_after=timezone.now())
    lanes = Lanes.__new__(Lanes)
    outside, inside = (Lane.__new__(Lane) for _ in range(2))
    for lane, is_outside in ((outside, True), (inside, False)):
        lane.job, lane.is_outside = job, is_outside
    for beside, due in (([], [job]), ([outside], [job]), ([outside, inside], [])):
        monkeypatch.setattr(lanes, "_lanes", beside, raising=False)
        assert list(lanes._without_lonely(Job.objects.all())) == due
