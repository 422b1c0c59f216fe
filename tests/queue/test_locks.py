"""Test which locks wait for which: references pass a locked project, and batches are locked before their project."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from factories import make_items, make_member, make_open_batch, make_project
from simultaneous import elsewhere

from labeling.loop import batches
from labeling.models import Batch, Item, ItemImport, Project, Role, Task
from labeling.projects.classes import proposals
from labeling.queue import queue, removing, submitting
from labeling.queue.answer import Answer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
]


def meanwhile(work: Callable[[], object]) -> list[BaseException]:
    """Do the work on another connection with a short lock timeout. Return the error, if any."""
    wrong: list[BaseException] = []

    def impatient() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
        work()

    elsewhere(impatient, wrong).join()
    return wrong


def test_a_batch_that_is_just_being_picked_holds_up_no_write_that_refers_to_its_project() -> None:
    project = make_project()
    make_items(project, 3)

    def write() -> None:  # twice in one transaction: the database then looks at the reference again
        with transaction.atomic():
            project.items.update(agreement=0.5)
            project.items.update(agreement=None)

    with transaction.atomic():
        assert batches.ensure_next(project=project)
        assert meanwhile(write) == []


def test_an_answer_that_is_taken_back_leaves_the_project_free() -> None:
    project = make_project()
    items = make_items(project, 3)
    make_open_batch(project, items[:2])
    annie, mona = make_member(project, "annie"), make_member(project, "mona", Role.MANAGER)
    [task] = queue.claim(project=project, user=annie, count=1).tasks
    answer = Answer(uuid.uuid4(), task.pk, value=1)
    submitting.submit(project=project, user=annie, answers=[answer])
    with transaction.atomic():
        queue.undo(project=project, user=annie, annotation_id=answer.id)
        assert (
            meanwhile(lambda: removing.remove_items(project=project, ids=[items[2].pk], user=mona, delete=True)) == []
        )
        assert meanwhile(lambda: batches.ensure_next(project=project)) == []


@contextmanager
def held(batch: Batch) -> Iterator[None]:
    """Hold the batch's row in a transaction, as a submit does in its last statement."""
    with transaction.atomic():
        Batch.objects.filter(pk=batch.pk).update(labeled=F("labeled"))
        yield


def two_open_batches(first: int, second: int) -> tuple[Project, Batch, Batch]:
    project = make_project(pick_ahead=0.9)
    items = make_items(project, first + second)
    return project, make_open_batch(project, items[:first]), make_open_batch(project, items[first:], number=2)


def test_the_last_answer_of_a_batch_waits_for_no_answer_to_the_next_one() -> None:
    project, _, two = two_open_batches(1, 1)
    annie = make_member(project, "annie")
    task, _ = queue.claim(project=project, user=annie, count=2).tasks
    answer = Answer(uuid.uuid4(), task.pk, value=1)
    with held(two):
        assert meanwhile(lambda: submitting.submit(project=project, user=annie, answers=[answer])) == []


def test_items_that_come_in_wait_for_no_answer() -> None:
    project, _, two = two_open_batches(1, 1)
    Project.objects.filter(pk=project.pk).update(nothing_left_at=timezone.now())
    make_items(project, 3, first=2)
    with held(two):
        assert meanwhile(lambda: batches.ensure_next(project=project)) == []
    assert batches.final().count() == 0


def sees_meanwhile(batch: Batch, work: Callable[[], object], free: QuerySet[Any]) -> None:
    """Do the work on another connection, see that it waits for the batch's row, and that it has not locked `free`."""
    wrong: list[BaseException] = []
    with held(batch):
        waiting = threading.Thread(target=lambda: wrong.extend(meanwhile(work)))
        waiting.start()
        time.sleep(1)
        assert waiting.is_alive(), "it waits for the batch"
        assert free.order_by("pk").select_for_update(no_key=True, nowait=True).values_list("pk", flat=True)
    waiting.join()
    assert wrong == []


@pytest.mark.parametrize("change", ["answer", "remove", "accept a proposed class", "import"])
def test_the_project_is_locked_after_all_batches(change: str) -> None:
    """An answer that completes the second batch holds its row and waits for the project. If a change held the project
    and waited for the batch, the two would wait for each other.
    """
    project, _, two = two_open_batches(1, 2)
    annie, mona = make_member(project, "annie"), make_member(project, "mona", Role.MANAGER)
    tasks = queue.claim(project=project, user=annie, count=3).tasks
    if change == "accept a proposed class":
        skip = Answer(uuid.uuid4(), tasks[1].pk, skip_reason="unclear", proposed_class="New")
        assert submitting.submit(project=project, user=annie, answers=[skip]).accepted
    if change == "import":
        Batch.objects.filter(pk=two.pk).update(state=Batch.State.IMPORTING, strategy="imported")
        project.imports.create(name="a.csv", state=ItemImport.State.DONE, batch=two, created_by=mona)
    work: dict[str, Callable[[], object]] = {
        "answer": lambda: submitting.submit(
            project=project, user=annie, answers=[Answer(uuid.uuid4(), task.pk, value=1) for task in tasks[:2]]
        ),
        "remove": lambda: removing.remove_items(
            project=project, ids=[task.item_key for task in tasks[:2]], user=mona, delete=False
        ),
        "accept a proposed class": lambda: proposals.accept(project=project, user=mona, key="new", name="New"),
        "import": lambda: batches.arrived(project=project),
    }
    sees_meanwhile(two, work[change], Project.objects.filter(pk=project.pk))


def test_an_undo_locks_the_batch_that_picked_the_item_before_the_one_that_asked_it_again() -> None:
    project, one, two = two_open_batches(1, 2)
    annie = make_member(project, "annie")
    first, again, _ = queue.claim(project=project, user=annie, count=3).tasks
    Task.objects.filter(pk=again.pk).update(item=None, repeats=first.item_id)
    answers = [Answer(uuid.uuid4(), task.pk, value=1) for task in (first, again)]
    assert len(submitting.submit(project=project, user=annie, answers=answers).accepted) == 2

    def undo() -> None:
        queue.undo(project=project, user=annie, annotation_id=answers[1].id)

    sees_meanwhile(one, undo, Batch.objects.filter(pk=two.pk))
    assert not Item.objects.labeled().exists()
