"""Test batches that end before their last answer, at their deadline or at a manager's request."""

import datetime
import gc
import random
import uuid
import weakref
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.db.models import Model
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from simultaneous import at_once

from labeling.loop import batches
from labeling.loop.batches import BatchError
from labeling.loop.table import BatchEvent
from labeling.models import Annotation, Assignment, Batch, Item, Job, Project, Task, User
from labeling.queue import deadlines, queue, submitting
from labeling.queue.answer import Answer
from labeling.queue.queue import QueueError
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = datetime.timedelta(hours=1)


def open_batch(size: int = 10, *, overlap: int = 1, share: float = 0.7, ago: datetime.timedelta = HOUR) -> Batch:
    project = make_project()
    batch = make_open_batch(project, make_items(project, size), overlap=overlap)
    Batch.objects.filter(pk=batch.pk).update(deadline_at=timezone.now() - ago, complete_share=share)
    batch.refresh_from_db()
    return batch


def answer(batch: Batch, user: User, n: int, value: int | None = 1) -> list[Answer]:
    reason = "" if value is not None else "unclear"
    answers: list[Answer] = []
    while len(answers) < n:
        tasks = queue.claim(project=batch.project, user=user, count=n - len(answers)).tasks
        given = [Answer(id=uuid.uuid4(), task=task.pk, value=value, skip_reason=reason) for task in tasks]
        assert len(submitting.submit(project=batch.project, user=user, answers=given).accepted) == len(tasks) > 0
        answers += given
    return answers


def test_the_deadline_ends_a_batch_that_has_enough_answers() -> None:
    batch = open_batch(10, share=0.7)
    ann, bob = (make_member(batch.project, name) for name in ("ann", "bob"))
    answer(batch, ann, 6)
    answer(batch, bob, 1, value=None)  # a skip is an answer too
    held = queue.claim(project=batch.project, user=ann, count=2).tasks

    assert deadlines.end_overdue(timezone.now()) == 1
    deadlines.clear_unanswered(batch=batch)

    batch.refresh_from_db()
    assert (batch.state, batch.size, batch.remaining, batch.dropped) == (Batch.State.TRAINING, 7, 0, 3)
    assert Job.objects.get(batch=batch).kind == Job.Kind.TRAIN
    assert Item.objects.filter(label__isnull=False).count() == 6
    assert batch.project.items.unlabeled().count() == 3, "what nobody answered is back in the pool"
    assert not Assignment.objects.pending().exists()
    late = Answer(id=uuid.uuid4(), task=held[0].pk, value=1)
    refused = submitting.submit(project=batch.project, user=ann, answers=[late]).rejected[0]
    assert (refused.code, refused.detail) == ("batch_closed", "The batch ended before this answer arrived.")


@pytest.mark.parametrize(("answered", "share"), [(6, 0.7), (9, 1.0), (0, 0.1)])
def test_too_few_answers_keep_it_open(answered: int, share: float) -> None:
    batch = open_batch(10, share=share)
    answer(batch, make_member(batch.project, "ann"), answered)
    assert deadlines.end_overdue(timezone.now()) == 0
    assert Batch.objects.get().remaining == 10 - answered


def test_nothing_ends_before_its_deadline() -> None:
    batch = open_batch(10, ago=-HOUR)
    answer(batch, make_member(batch.project, "ann"), 9)
    assert deadlines.end_overdue(timezone.now()) == 0


def test_with_several_answers_a_task_absent_people_do_not_stall_it() -> None:
    batch = open_batch(4, overlap=3, share=0.6)
    ann, bob = (make_member(batch.project, name) for name in ("ann", "bob"))
    answer(batch, ann, 4)
    assert deadlines.end_overdue(timezone.now()) == 0
    answer(batch, bob, 4)
    assert deadlines.end_overdue(timezone.now()) == 1
    deadlines.clear_unanswered(batch=batch)
    batch.refresh_from_db()
    assert (batch.size, batch.dropped, batch.state) == (4, 0, Batch.State.TRAINING)
    assert set(Item.objects.values_list("label", "agreement")) == {(1, 1.0)}
    assert not Task.objects.unanswered().exists()


def test_a_manager_ends_an_open_batch_but_not_an_empty_one() -> None:
    batch = open_batch(5)
    with pytest.raises(BatchError, match="Nothing in batch 1 is answered yet"):
        deadlines.end_early(batch=batch)
    [given] = answer(batch, make_member(batch.project, "ann"), 1)
    assert deadlines.end_early(batch=batch) == 4
    with pytest.raises(BatchError, match="is not open: it is training"):
        deadlines.end_early(batch=batch)
    with pytest.raises(QueueError, match="its answers have gone into training"):
        queue.undo(project=batch.project, user=User.objects.get(), annotation_id=given.id)


def test_an_answer_that_was_taken_back_does_not_keep_its_task() -> None:
    batch = open_batch(2)
    ann = make_member(batch.project, "ann")
    first, _ = answer(batch, ann, 2)[0], None
    assert Batch.objects.get().state == Batch.State.TRAINING  # both answered: the ordinary end
    Batch.objects.update(state=Batch.State.OPEN)
    queue.undo(project=batch.project, user=ann, annotation_id=first.id)
    Job.objects.all().delete()
    assert deadlines.end_early(batch=batch) == 1
    assert list(Item.objects.order_by("pk").values_list("label", flat=True)) == [None, 1]


def test_an_answer_taken_back_twice_while_its_batch_ends_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = open_batch(3)
    ann = make_member(batch.project, "ann")
    given = answer(batch, ann, 2)[0]
    queue.undo(project=batch.project, user=ann, annotation_id=given.id)
    lock = Task.objects.select_for_update

    def end_first(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        deadlines.end_early(batch=batch)
        deadlines.clear_unanswered(batch=batch)
        return lock(*args, **kwargs)

    monkeypatch.setattr(Task.objects, "select_for_update", end_first)
    with pytest.raises(QueueError, match="already ended"):
        queue.undo(project=batch.project, user=ann, annotation_id=given.id)


def test_no_more_than_a_piece_of_a_batch_is_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager's page also ends batches of a million tasks."""
    monkeypatch.setattr(deadlines, "CHUNK", 3)
    most = 0
    init = Model.__init__

    def counted(self: Model, *args: Any, **kwargs: Any) -> None:
        nonlocal most
        init(self, *args, **kwargs)
        if isinstance(self, Task):
            alive.add(self)
            gc.collect()  # a task and its item know each other
            most = max(most, len(alive))

    alive: weakref.WeakSet[Task] = weakref.WeakSet()
    batch = open_batch(40, overlap=2)
    answer(batch, make_member(batch.project, "ann"), 20)
    gc.collect()
    gc.freeze()  # so that each look is at what has come since
    monkeypatch.setattr(Model, "__init__", counted)
    assert deadlines.end_early(batch=batch) == 20
    deadlines.clear_unanswered(batch=batch)
    assert 0 < most <= 2 * 3
    batch.refresh_from_db()
    assert (batch.size, batch.dropped, batch.state) == (20, 20, Batch.State.TRAINING)
    assert not Task.objects.unanswered().exists()
    assert set(Item.objects.labeled()) == {task.item for task in batch.tasks.all()}


def test_a_batch_gets_its_deadline_when_it_opens() -> None:
    project = make_project(deadline_hours=2, complete_share=0.8)
    batch = Batch.objects.create(project=project, number=1, size=0)
    batches.advance(batch, BatchEvent.PICKED)
    batch.refresh_from_db()
    assert batch.deadline_at is not None
    assert batch.opened_at is not None
    assert batch.deadline_at - batch.opened_at == 2 * HOUR
    assert batch.complete_share == 0.8
    other = make_project("others")
    batch = Batch.objects.create(project=other, number=1, size=0)
    batches.advance(batch, BatchEvent.PICKED)
    batch.refresh_from_db()
    assert batch.deadline_at is None


@pytest.mark.parametrize("seed", some(range(3)))
def test_whatever_happens_at_the_same_moment_the_books_balance(seed: int) -> None:
    batch = open_batch(60, overlap=2, share=0.3)
    project = batch.project
    users = [make_member(project, f"annotator-{n}") for n in range(4)]
    ended: list[int] = []

    def labor(user: User, rng: random.Random) -> None:
        while project.batches.open().exists():
            tasks = queue.claim(project=project, user=user, count=3).tasks
            given = [Answer(id=uuid.uuid4(), task=task.pk, value=1) for task in tasks]
            done = submitting.submit(project=project, user=user, answers=given).accepted
            if done and rng.random() < 0.3:
                with suppress(QueueError):
                    queue.undo(project=project, user=user, annotation_id=done[0])

    def end() -> None:
        while project.batches.open().exists():
            ended.append(deadlines.end_overdue(timezone.now()))

    works = [partial(labor, user, random.Random(seed + 7)) for user in users]
    at_once(*works, end, end)
    deadlines.clear_unanswered(batch=batch)
    check_books(Project.objects.get())
    assert sum(ended) <= 1


def check_books(project: Project) -> None:
    batch = project.batches.get()
    assert batch.state == Batch.State.TRAINING
    assert batch.remaining == 0
    assert batch.size == batch.tasks.count()
    assert batch.size + batch.dropped == 60
    assert not Task.objects.unanswered().exists()
    assert Job.objects.filter(kind=Job.Kind.TRAIN).count() == 1
    answered = set(Annotation.objects.answers().values_list("task__item", flat=True))
    assert set(project.items.labeled().values_list("pk", flat=True)) == answered
    assert project.items.unlabeled().count() == batch.dropped
