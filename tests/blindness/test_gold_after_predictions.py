"""Test that gold tasks show predictions as other tasks do, whenever the items and the predictions come."""

import uuid
from typing import Any

import numpy as np
import pytest
from predicting.handed import (
    CLASSES,
    given_project,
    hand_in,
    npz,
    places_of,
    predictions,
    put_in,
    sure_of_right,
    vectors,
)

from labeling.models import Item, Job, Project, Task, User
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = {"batch_size": 40, "gold_share": 0.3, "show_predictions": True, "strategy": "margin"}


def gold_rows(n: int, *, first: int) -> list[dict[str, Any]]:
    """Return rows of `n` items whose answer is known."""
    return [
        {"gold" if name == "truth" else name: value for name, value in row.items()} for row in vectors(n, first=first)
    ]


def assert_all_have_predictions(project: Project, *, gold: int) -> None:
    tasks = Task.objects.filter(batch=project.batches.get())
    assert tasks.filter(is_gold=True).count() == gold
    assert not tasks.filter(predicted=None).exists()
    assert set(tasks.filter(prompted=True).values_list("prompted_by", flat=True)) == {"model"}


def test_gold_items_that_came_after_the_predictions_wait_for_newer_ones() -> None:
    rows = [*vectors(150), *gold_rows(5, first=500)]
    project = given_project(rows=rows, pick_ahead=None, replace_skips=True, **SETTINGS)
    content = predictions(project)
    user = User.objects.get(username="mona")
    put_in(project, user, gold_rows(40, first=1000))
    again = project.items.get(external_id="i1000")
    Item.objects.filter(pk=again.pk).update(gold=None, label=1, again_at="2026-01-01T00:00Z")
    hand_in(project, content, strict=False)
    assert_all_have_predictions(project, gold=5)
    again.refresh_from_db()
    assert again.again_at is not None
    skip_gold(project)
    assert_all_have_predictions(project, gold=5)


def test_a_batch_with_gold_items_that_the_predictions_lack_is_not_picked_again() -> None:
    project = given_project(rows=[*vectors(150), *gold_rows(20, first=500)], **SETTINGS)
    ids, places = places_of(project)
    first = set(project.items.filter(row__lt=150, gold__isnull=True).values_list("external_id", flat=True))
    assert len(first) == 150
    known = [name in first for name in ids]
    content = npz(ids=np.array(ids)[known], probabilities=sure_of_right(places[known]), classes=CLASSES)
    assert hand_in(project, content, strict=False).state == "done"
    tasks = Task.objects.filter(batch=project.batches.get())
    assert tasks.filter(is_gold=True).count() == 12
    assert not tasks.filter(prompted=True).exists()


def skip_gold(project: Project) -> None:
    """Skip a gold task, and run the step that would replace it: all other gold items came late."""
    annie = User.objects.get(username="annie")
    task = next(each for each in queue.claim(project=project, user=annie, count=50).tasks if each.is_gold)
    skipped = Answer(id=uuid.uuid4(), task=task.pk, skip_reason="unclear")
    assert not submitting.submit(project=project, user=annie, answers=[skipped]).rejected
    worker = Worker(run_step, kinds=[Job.Kind.REPLACE])
    while worker.run_next():
        pass
    assert Task.objects.filter(replaces=task.pk).exists()


def test_gold_items_of_a_batch_that_is_picked_again_show_its_predictions() -> None:
    project = given_project(rows=[*vectors(150), *gold_rows(20, first=500)], **SETTINGS)
    batch = project.batches.get()
    hand_in(project, predictions(project))
    batch.refresh_from_db()
    assert batch.selection == 2
    assert_all_have_predictions(project, gold=12)
