"""Test that a lock on a project's row does not block inserts of rows that refer to the project."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from factories import make_items, make_member, make_open_batch, make_project

from labeling.answering import batches, queue, removing, submitting
from labeling.answering.answer import Answer
from labeling.models import Role

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time"),
]


def meanwhile(work: Callable[[], object]) -> list[str]:
    """Do the work on another connection with a short lock timeout. Return the error, if any."""
    wrong: list[str] = []

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '3s'")
            work()
        except Exception as error:  # noqa: BLE001  handed to the test
            wrong.append(str(error))
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
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
        assert meanwhile(lambda: removing.remove(project=project, ids=[items[2].pk], user=mona, delete=True)) == []
        assert meanwhile(lambda: batches.ensure_next(project=project)) == []
