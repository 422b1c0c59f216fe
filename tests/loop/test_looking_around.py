"""Test that a worker handles deadlines and heartbeats while a step runs."""

import datetime
import json
import signal
import threading
import uuid
from multiprocessing import Pipe
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from processes import wait_until
from simultaneous import elsewhere

from labeling.loop.step import Step
from labeling.models import Batch, ItemImport, Job
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.running import worker
from labeling.steps.running.running import Child
from labeling.steps.running.worker import Worker
from labeling.storage.db import outages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_AROUND_SECONDS", 0.05)
    monkeypatch.setattr(signal, "signal", lambda *arguments: None)


def one_answered() -> Batch:
    """Create an open batch in a project of its own, with one of two answers."""
    project = make_project("waiting")
    batch = make_open_batch(project, make_items(project, 2))
    ann = make_member(project, "ann")
    task = queue.claim(project=project, user=ann, count=1).tasks[0]
    submitting.submit(project=project, user=ann, answers=[Answer(id=uuid.uuid4(), task=task.pk, value=1)])
    return batch


def make_overdue(batch: Batch) -> None:
    past = timezone.now() - datetime.timedelta(minutes=1)
    Batch.objects.filter(pk=batch.pk).update(deadline_at=past, complete_share=0.5)


def has_ended(batch: Batch) -> bool:
    return Batch.objects.get(pk=batch.pk).state == Batch.State.TRAINING


def run(do: Any) -> None:
    """Run a worker whose steps are `do`, until it has done one job and the jobs that follow."""

    def step(step: Step) -> None:
        if step.job.kind == Job.Kind.ENCODE:
            do()
        with step.finish():
            pass

    Job.objects.enqueue(Job.Kind.ENCODE, project=make_project("busy"))
    Worker(step, drain=True).run()
    assert set(Job.objects.values_list("kind", "state")) == {("encode", "done"), ("train", "done")}


def test_a_deadline_does_not_wait_for_the_step_of_another_project() -> None:
    batch = one_answered()

    def long_step() -> None:
        make_overdue(batch)
        wait_until(lambda: has_ended(batch))

    run(long_step)


def test_a_process_gets_ready_once_and_only_when_nothing_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labeling.steps.running.running.IDLE_SECONDS", 0.1)
    project, happened, is_ready = make_project("busy"), list[str](), threading.Event()

    def step(step: Step) -> None:
        with step.finish():
            happened.append(step.job.kind)

    def prepare() -> None:
        happened.append("prepared")
        is_ready.set()

    ours, theirs = Pipe()

    def serve() -> None:
        Child(step, prepare=prepare).serve(theirs)

    def run() -> None:
        job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
        assert Job.objects.take(job, "here:1:a", timezone.now())
        order = {"job": job.pk, "worker": job.worker, "attempt": job.attempts, "threads": 1}
        ours.send_bytes(json.dumps(order).encode())
        assert ours.recv_bytes() == b"done"

    ours.send_bytes(b'{"job": 0, "worker": "", "attempt": 0, "threads": 1}')  # before it begins to be idle
    thread = elsewhere(serve)
    assert ours.recv_bytes() == b"lost"
    run()
    assert is_ready.wait(20)
    run()
    ours.close()
    thread.join()
    assert happened == [Job.Kind.ENCODE, "prepared", Job.Kind.ENCODE]


def test_while_one_project_trains_the_other_goes_round_with_the_second_worker() -> None:
    """The training takes an hour by the second worker's clock, and the large project has further steps."""
    large, small = make_project("large"), make_project("small")
    first, second = (make_open_batch(project, make_items(project, 2)) for project in (large, small))
    Job.objects.enqueue(Job.Kind.TRAIN, project=large, batch=first)
    for number in range(3):
        upload = ItemImport.objects.create(project=large, name=f"{number}.csv")
        Job.objects.enqueue(Job.Kind.IMPORT, project=large, cause=upload)
    for kind in (Job.Kind.TRAIN, Job.Kind.EMBED, Job.Kind.SELECT):
        Job.objects.enqueue(kind, project=small, batch=second)
    done: list[str] = []
    is_over = threading.Event()

    def step(step: Step) -> None:
        if step.job.kind == Job.Kind.TRAIN and step.job.project == large:
            assert is_over.wait(20)
        with step.finish():
            done.append(f"{step.job.kind} {step.job.project}")

    workers = [Worker(step, drain=True) for _ in range(2)]
    for number, one in enumerate(workers):
        one.name = f"host-{number}:1:a"
    threads = [elsewhere(one.run) for one in workers]
    try:
        wait_until(lambda: len(done) == 6)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert sorted(done[:3]) == ["embed small", "select small", "train small"]
    assert done[3:] == [*["import large"] * 3, "train large"]


def test_of_the_steps_that_are_due_short_ones_of_idle_projects_come_first() -> None:
    busy, idle, other = make_project("busy"), make_project("idle"), make_project("other")
    Job.objects.enqueue(Job.Kind.ENCODE, project=busy)
    now = timezone.now()
    Job.objects.take(Job.objects.get(), "host:1:x", now)
    batches = [make_open_batch(project, make_items(project, 1)) for project in (busy, idle, other)]
    Job.objects.enqueue(Job.Kind.PREDICT, project=idle)
    for project, batch, kind in zip((busy, idle, other), batches, ("select", "train", "select"), strict=True):
        Job.objects.enqueue(kind, project=project, batch=batch)
    due = [(job.kind, job.project.slug) for job in Job.objects.due(timezone.now())]
    assert due == [("select", "other"), ("train", "idle"), ("select", "busy"), ("predict", "idle")]


def test_a_look_around_that_failed_is_followed_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = one_answered()
    errors: list[Exception] = [OperationalError("the connection is lost"), ValueError("a defect")]
    end_overdue = worker.deadlines.end_overdue

    def failing(now: datetime.datetime) -> int:
        if errors and has_begun:
            raise errors.pop()
        return end_overdue(now)

    has_begun: list[bool] = []
    monkeypatch.setattr(worker.deadlines, "end_overdue", failing)

    def long_step() -> None:
        has_begun.append(True)
        wait_until(lambda: not errors)  # else a look that began before the step ends the batch
        make_overdue(batch)
        wait_until(lambda: has_ended(batch))

    run(long_step)


def test_an_encoding_of_a_dead_worker_beside_one_that_waits_is_let_go() -> None:
    """A constraint allows one waiting encoding: putting a second one back would end every worker."""
    project = make_project()
    job = Job.objects.enqueue(Job.Kind.ENCODE, project=project)
    long_ago = timezone.now() - datetime.timedelta(hours=1)
    assert Job.objects.take(job, "elsewhere:1:dead", long_ago)
    Job.objects.enqueue(Job.Kind.ENCODE, project=project)

    Worker(lambda step: None).look_around()

    assert list(Job.objects.order_by("pk").values_list("state", flat=True)) == ["done", "waiting"]


def test_a_worker_waits_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "AWAY_SECONDS", 0.01)
    away = [OperationalError("the database system is starting up")] * 3
    due = type(Job.objects.all()).due

    def starting_up(self: Any, now: datetime.datetime) -> Any:
        if away:
            raise away.pop()
        return due(self, now)

    Job.objects.enqueue(Job.Kind.ENCODE, project=make_project())
    monkeypatch.setattr(type(Job.objects.all()), "due", starting_up)

    def step(step: Step) -> None:
        with step.finish():
            pass

    Worker(step, drain=True).run()
    assert Job.objects.get().state == Job.State.DONE
