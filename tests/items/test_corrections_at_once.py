"""Test concurrent corrections and undone answers: one goes first, and the result is consistent."""

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.db import connection
from factories import make_items, make_member, make_open_batch, make_project

from labeling.labels import counting
from labeling.labels.corrections import CorrectionError, correct, withdraw
from labeling.models import Annotation, Correction, Item, Role
from labeling.queue import queue
from labeling.queue.queue import QueueError
from tests.exports.labeled import answer

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 12


def at_once(*works: Callable[[], object]) -> None:
    """Run all functions at the same moment, each on its own connection; raise the exception of one that fails."""
    start = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait()
            with suppress(QueueError, CorrectionError):  # being refused is fine: the state is what is looked at
                work()
        except BaseException as error:  # noqa: BLE001  handed to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_correction_undo_and_second_correction_at_once() -> None:
    project = make_project()
    items = make_items(project, ROUNDS + 1)
    batch = make_open_batch(project, items)
    annie = make_member(project, "annie")
    mona, max_ = (make_member(project, name, Role.MANAGER) for name in ("mona", "max"))
    answer(batch, annie, [3] * ROUNDS)
    undone = 0
    for item in items[:ROUNDS]:
        given = Annotation.objects.get(task__item=item)
        at_once(
            lambda item=item: correct(item=item, user=mona, value=5),
            lambda given=given: queue.undo(project=project, user=annie, annotation_id=given.pk),
            lambda item=item: correct(item=item, user=max_, value=6),
            lambda item=item: withdraw(item=item, user=mona),
        )
        given.refresh_from_db()
        item = Item.objects.select_related("task").get(pk=item.pk)
        standing = Correction.objects.standing().filter(item=item).first()
        if standing:
            assert item.label == standing.value
            assert item.agreement in ([0.0, None] if given.undone_at else [0.0])
        else:
            assert (item.label, item.agreement) == ((None, None) if given.undone_at else (3, 1.0))
        assert item.task.outstanding == int(given.undone_at is not None)
        undone += item.task.outstanding
    batch.refresh_from_db()
    assert batch.remaining == 1 + undone
    assert counting.recount(batch) == []


def test_two_managers_correct_many_items_at_once() -> None:
    project = make_project()
    items = make_items(project, 6)
    answer(make_open_batch(project, items), make_member(project, "annie"), [3] * 6)
    managers = [make_member(project, f"mona-{number}", Role.MANAGER) for number in range(4)]

    def all_of(manager: object, value: int) -> Callable[[], None]:
        def work() -> None:
            for item in items:
                correct(item=item, user=manager, value=value)

        return work

    at_once(*(all_of(manager, value) for value, manager in enumerate(managers)))
    assert Correction.objects.count() == 24
    for item in Item.objects.all():
        assert Correction.objects.standing().get(item=item).value == item.label
