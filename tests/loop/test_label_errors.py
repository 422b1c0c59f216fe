"""Labels that look wrong are found after a batch, by models that have not learned them, and in nobody's way."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, digits_project

from labeling.answering import queue
from labeling.answering.corrections import correct
from labeling.insight.review import Reason, queue_of
from labeling.loop.worker import Worker
from labeling.models import Item, Job, Project, Role, User
from labeling.projects.members import set_role
from labeling.steps.registry import run_step
from models_store.label_errors import label_errors

pytestmark = pytest.mark.django_db(transaction=True)

QUICKER = {"epochs": 8, "min_steps": 50, "calibration_labels": 0, "augment": False}
EVERY = 12
"""One of so many answers is wrong."""


def drain() -> None:
    worker = Worker(run_step)
    while worker.run_next():
        pass


def answer_with_errors(project: Project, user: User) -> set[int]:
    """Answer the open batch, and return the keys of the items that got a wrong label."""
    wrong: set[int] = set()
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        answers = []
        for task in tasks:
            truth, key = task.shown.truth, task.item_key
            if task.shown.row % EVERY == 0:
                wrong.add(key)
                truth = (truth + 1 + task.shown.row // EVERY % 9) % 10
            answers.append(queue.Answer(id=uuid.uuid4(), task=task.pk, value=truth))
        queue.submit(project=project, user=user, answers=answers)
    return wrong


def test_injected_errors_come_first_in_the_queue(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=600, batch_size=500, control_share=0.1, training=QUICKER)
    annie = annotator(project)
    drain()
    wrong = answer_with_errors(project, annie)
    drain()
    trainable = wrong & set(Item.objects.trainable().values_list("pk", flat=True))
    ids = queue_of(project, annie, Reason.ERROR).ids
    assert len(trainable) > 30
    # Of 450 labels a reviewer looks at the first tenth, and has three quarters of the errors.
    assert len(trainable & set(ids[:45])) >= 0.75 * len(trainable)
    first = Item.objects.get(pk=ids[0])
    assert first.label_quality is not None
    assert first.likely_label == first.truth
    # A label that was corrected in between is not what was doubted, and the marks are made anew.
    mona = User.objects.create_user("mona")
    set_role(project=project, user=mona, role=Role.MANAGER)
    for item in Item.objects.filter(pk__in=trainable):
        correct(item=item, user=mona, value=item.truth)
    Job.objects.filter(kind=Job.Kind.MISLABELED).update(state=Job.State.WAITING)
    drain()
    assert not trainable & set(Item.objects.filter(label_quality__lt=0.2).values_list("pk", flat=True))


def test_what_cannot_be_told_is_left_out() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [60, 60, 2])
    sure = np.full((122, 3), 0.05)
    sure[np.arange(122), labels] = 0.9
    assert not len(label_errors(labels, sure, least=5).places)
    sure[[7, 80, 121]] = [[0.04, 0.95, 0.01], [0.9, 0.05, 0.05], [0.98, 0.01, 0.01]]
    found = label_errors(labels, sure, least=5)
    assert set(found.places.tolist()) == {7, 80}, "the class of two labels is left out"
    assert found.likely.tolist() == [1 - labels[place] for place in found.places]
    assert (np.diff(found.quality) >= 0).all()
    assert not len(label_errors(np.empty(0, np.int64), np.empty((0, 3)), least=5).places)
    assert not len(label_errors(np.zeros(50, np.int64), rng.random((50, 3)), least=5).places)
