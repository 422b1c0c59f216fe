"""Test that a batch of a million tasks is written and ended in parts, so that no request waits long or sees a part of
it.
"""

import datetime
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project

from labeling.labels import item_labels
from labeling.loop import batches
from labeling.loop.step import Step
from labeling.models import Assignment, Batch, Item, Job, Project, Task, User
from labeling.models.jobs import worker_name
from labeling.queue import deadlines, queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.assignments import TasksChanged
from labeling.steps import batch_tasks as writing
from labeling.steps import select as selecting
from labeling.steps.running.worker import Worker
from labeling.storage.db import long_writes

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """Stands for `kill -9`; no code may clean up after it."""


@contextmanager
def killed_after(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, times: int) -> Iterator[list[int]]:
    """Let `owner.name` be called so often, and kill the next call. Yield the completed calls."""
    real, calls = getattr(owner, name), []

    def counted(*args: Any, **kwargs: Any) -> Any:
        if len(calls) == times:
            raise Killed
        calls.append(1)
        return real(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, counted)
        with pytest.raises(Killed):
            yield calls


# ── picking ──


def selected(n: int = 60) -> tuple[Project, Job]:
    """Create a project whose first batch, 50 of `n` items, waits for its selection."""
    project = make_project(batch_size=50, control_share=0.2)
    make_items(project, n)
    Item.objects.filter(control_key__lt=0.2).update(reserved=True)
    Project.objects.update(encoded_rows=n)
    project.refresh_from_db()
    batches.ensure_next(project=project)
    job = Job.objects.get()
    Job.objects.update(run_after=timezone.now())
    return project, job


def pick(job: Job) -> None:
    job.refresh_from_db()
    assert Job.objects.take(job, worker_name(), timezone.now())
    selecting.select(Step(job))


def picked(project: Project) -> list[tuple[int, int, bool]]:
    return list(project.batches.get().tasks.values_list("rank", "item__row", "is_control"))


def test_a_batch_is_written_in_parts_and_opened_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    project, job = selected()
    ann = make_member(project, "ann")
    monkeypatch.setattr(writing, "PART", 8)
    monkeypatch.setattr(long_writes, "UNCONTENDED_FACTOR", 1)
    sizes, claims = [], []
    write = writing.insert_many

    def watched(model: type[Task], names: Any, values: list[Any]) -> None:
        sizes.append(len(values))
        assert connection.in_atomic_block
        claims.append(queue.claim(project=project, user=ann, count=5))
        write(model, names, values)

    monkeypatch.setattr(writing, "insert_many", watched)
    pick(job)

    assert sizes == [8] * 6 + [2]
    assert {(claim.reason, len(claim.tasks)) for claim in claims} == {("selecting", 0)}
    assert project.batches.get().state == Batch.State.OPEN
    assert [rank for rank, _, _ in picked(project)] == list(range(50))


def test_a_selection_that_is_killed_is_made_anew_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    project, job = selected()
    monkeypatch.setattr(writing, "PART", 8)
    monkeypatch.setattr(long_writes, "UNCONTENDED_FACTOR", 1)
    pick(job)
    unbroken = picked(project)
    Batch.objects.all().delete()
    batches.ensure_next(project=project)
    Job.objects.update(run_after=timezone.now())
    job = Job.objects.get(kind=Job.Kind.SELECT)

    with killed_after(monkeypatch, writing, "insert_many", 3):
        pick(job)
    batch = project.batches.get()
    assert (batch.state, batch.size, batch.tasks.count()) == (Batch.State.SELECTING, 0, 24)
    ann = make_member(project, "ann")
    assert queue.claim(project=project, user=ann, count=5).reason == "selecting"
    guess = Answer(id=uuid.uuid4(), task=batch.tasks.first().pk, value=1)
    assert submitting.submit(project=project, user=ann, answers=[guess]).rejected[0].code == "unknown_task"

    Job.objects.update(heartbeat_at=timezone.now() - datetime.timedelta(hours=1))
    worker = Worker(lambda step: selecting.select(step) if step.job.kind == Job.Kind.SELECT else None)
    worker.look_around()
    assert worker.run_next()
    batch = project.batches.get()
    assert (batch.state, batch.size, batch.remaining, batch.tasks.count()) == (Batch.State.OPEN, 50, 50, 50)
    assert picked(project) == unbroken
    assert project.items.unlabeled().count() == 10


# ── ending early ──


def half_answered(n: int, *, overlap: int = 1) -> tuple[Batch, User]:
    project = make_project(overlap=overlap)
    batch = make_open_batch(project, make_items(project, n), overlap=overlap)
    batch.tasks.filter(rank__lt=4).update(is_control=True)
    batch.tasks.filter(rank__gte=n - 3).update(is_control=True)
    Batch.objects.update(control_tasks=7)
    batch.refresh_from_db()
    ann = make_member(project, "ann")
    while batch.tasks.filter(outstanding=overlap).count() > n / 2:
        tasks = queue.claim(project=project, user=ann, count=5).tasks
        answers = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
        submitting.submit(project=project, user=ann, answers=answers)
    return batch, ann


@pytest.mark.parametrize("overlap", [1, 2])
def test_an_early_end_is_one_small_change_that_everybody_sees(overlap: int) -> None:
    batch, ann = half_answered(40, overlap=overlap)
    project = batch.project
    held = queue.claim(project=project, user=ann, count=5).tasks
    with CaptureQueriesContext(connection) as asked:
        assert deadlines.end_early(batch=batch) == 20

    changed = [each["sql"] for each in asked if each["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    assert len(changed) == 6, "the batch twice, that no item is left, its training, and the audit log twice"
    assert Task.objects.unanswered().exists(), "what may be a million rows is left to the training"
    batch.refresh_from_db()
    assert (batch.state, batch.size, batch.remaining, batch.dropped) == (Batch.State.TRAINING, 20, 0, 20)
    assert batch.control_tasks == 4
    assert queue.claim(project=project, user=ann, count=5).reason == "training"
    late = submitting.submit(project=project, user=ann, answers=[Answer(id=uuid.uuid4(), task=held[0].pk, value=1)])
    assert late.rejected[0].detail == "The batch ended before this answer arrived."


@pytest.mark.parametrize("overlap", [1, 2])
def test_what_an_early_end_leaves_goes_in_parts_and_on_after_a_kill(
    overlap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, _ = half_answered(40, overlap=overlap)
    monkeypatch.setattr(deadlines, "CHUNK", 6)
    deadlines.end_early(batch=batch)
    with killed_after(monkeypatch, deadlines, "_settle_tasks", 2):
        deadlines.clear_unanswered(batch=batch)
    assert 0 < Task.objects.unanswered().count() < 40

    deadlines.clear_unanswered(batch=batch)
    batch.refresh_from_db()
    assert (batch.size, batch.dropped, batch.remaining, batch.control_tasks) == (20, 20, 0, 4)
    assert batch.tasks.filter(free=0, outstanding=0).count() == batch.tasks.count() == 20
    assert not Assignment.objects.pending().exists()
    assert batch.project.items.labeled().count() == batch.project.items.unlabeled().count() == 20
    with CaptureQueriesContext(connection) as asked:
        deadlines.clear_unanswered(batch=batch)
    assert len(asked) == 1


def test_an_answer_that_comes_while_its_batch_ends_is_counted_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request reads the batch as open, and the batch ends before the answer is stored."""
    batch, ann = half_answered(40)
    [task] = queue.claim(project=batch.project, user=ann, count=1).tasks
    write = item_labels.write_labels

    def end_first(*facts: Any) -> set[int]:
        monkeypatch.undo()
        labeled = write(*facts)
        # As another process does it: on SQLite it would wait for this transaction.
        Batch.objects.filter(pk=batch.pk).update(
            state=Batch.State.TRAINING, size=F("size") - F("remaining"), dropped=F("remaining"), remaining=0
        )
        return labeled

    given = Answer(id=uuid.uuid4(), task=task.pk, value=1)
    for locked in (False, True):
        monkeypatch.setattr(item_labels, "write_labels", end_first)
        with pytest.raises(TasksChanged):
            submitting._submit(batch.project, ann, [given], locked=locked)
    assert not task.annotations.exists()


def test_an_answer_that_is_one_of_several_is_refused_too_once_its_batch_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer that does not finish its task leaves the batch's row unchanged, but checks that the batch is open."""
    project = make_project(overlap=2)
    batch = make_open_batch(project, make_items(project, 3), overlap=2)
    ann = make_member(project, "ann")
    [task] = queue.claim(project=project, user=ann, count=1).tasks
    tasks_of_user = submitting.tasks_of_user

    def read_then_ended(*arguments: Any) -> Any:
        read = tasks_of_user(*arguments)
        Batch.objects.filter(pk=batch.pk).update(state=Batch.State.TRAINING)
        return read

    monkeypatch.setattr(submitting, "tasks_of_user", read_then_ended)
    outcome = submitting.submit(project=project, user=ann, answers=[Answer(id=uuid.uuid4(), task=task.pk, value=1)])
    assert [each.code for each in outcome.rejected] == ["batch_closed"]
    assert not task.annotations.exists()
