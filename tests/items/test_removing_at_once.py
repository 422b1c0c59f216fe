"""Test that items are removed, answered, undone and restored concurrently: the batch's counters stay right, and it
ends.
"""

import uuid
from contextlib import suppress

import pytest
from factories import make_items, make_member, make_open_batch, make_project
from test_corrections_at_once import at_once

from labeling.models import Annotation, Batch, Job, Role, Task
from labeling.queue import queue, removing, submitting
from labeling.queue.answer import Answer
from labeling.queue.removing import RemovalError

pytestmark = pytest.mark.django_db(transaction=True)

ITEMS, ROUNDS = 24, 6


@pytest.mark.parametrize("overlap", [1, 2])
def test_the_batch_can_be_completed_whatever_happens_at_once(overlap: int) -> None:
    project = make_project(overlap=overlap)
    items = make_items(project, ITEMS)
    batch = make_open_batch(project, items, overlap=overlap)
    people = [make_member(project, name) for name in ("annie", "bert")]
    mona, max_ = (make_member(project, name, Role.MANAGER) for name in ("mona", "max"))

    def label(user, *, undo: bool = False) -> None:  # type: ignore[no-untyped-def]
        claim = queue.claim(project=project, user=user, count=4)
        answers = [Answer(uuid.uuid4(), task.pk, value=1) for task in claim.tasks]
        if answers:
            outcome = submitting.submit(project=project, user=user, answers=answers)
            if undo and outcome.accepted:
                queue.undo(project=project, user=user, annotation_id=outcome.accepted[0])

    def take_out(user, first: int) -> None:  # type: ignore[no-untyped-def]
        ids = [item.pk for item in items[first : first + 4]]
        with suppress(RemovalError):  # others do not let go of them: asked again, it is done
            removing.remove_items(project=project, ids=ids, user=user, delete=first % 8 == 0)

    for turn in range(ROUNDS):
        at_once(
            lambda: label(people[0]),
            lambda: label(people[1], undo=True),
            lambda turn=turn: take_out(mona, turn * 4),
            lambda turn=turn: take_out(max_, turn * 4 + 2),
            lambda turn=turn: removing.restore_items(project=project, ids=[items[turn * 4].pk], user=mona),
        )
        batch.refresh_from_db()
        tasks = Task.objects.filter(batch=batch)
        assert batch.size == tasks.count()
        assert batch.remaining == tasks.filter(outstanding__gt=0).count()
        assert batch.size + batch.dropped == ITEMS
    removing.close_left_over()
    for _ in range(ITEMS):
        for user in people:
            label(user)
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) in ((Batch.State.TRAINING, 0), (Batch.State.DONE, 0))
    trained = Job.objects.filter(batch=batch, kind="train").count()
    assert trained == (1 if batch.state == Batch.State.TRAINING else 0)
    assert not Annotation.objects.standing().filter(task__batch=batch, task__outstanding=overlap).exists()
