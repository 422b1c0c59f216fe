"""Test that the search for label errors uses models that have not learned the labels, and delays no other step."""

import uuid
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, digits_project
from django.utils import timezone
from draining import drain
from factories import make_items, make_project

from labeling.insight.review import Reason, queue_of
from labeling.labels.corrections import correct
from labeling.models import Item, Job, Project, Role, User
from labeling.projects.people.members import set_role
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps import mislabeled

pytestmark = pytest.mark.django_db(transaction=True)

QUICKER = {"epochs": 8, "min_steps": 50, "calibration_labels": 0, "augment": False, "learns_from": "labels"}
EVERY = 12
"""One of so many answers is wrong."""


def answer_with_errors(project: Project, user: User) -> set[int]:
    """Answer the open batch, and return the keys of the items with a wrong label."""
    wrong: set[int] = set()
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        answers = []
        for task in tasks:
            truth, key = task.shown.truth, task.item_key
            if task.shown.row % EVERY == 0:
                wrong.add(key)
                truth = (truth + 1 + task.shown.row // EVERY % 9) % 10
            answers.append(Answer(id=uuid.uuid4(), task=task.pk, value=truth))
        submitting.submit(project=project, user=user, answers=answers)
    return wrong


@pytest.mark.long
def test_injected_errors_come_first_in_the_queue(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=600, batch_size=500, control_share=0.1, training=QUICKER, strategy="uniform")
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


@pytest.mark.parametrize(("question", "labels", "wrong"), [("multi", ([0, 2], [1]), [0]), ("score", (3, 1), 0)])
def test_sets_and_scores_are_looked_at_too(
    monkeypatch: pytest.MonkeyPatch, question: str, labels: tuple[object, object], wrong: object
) -> None:
    project = make_project(question=question, classes=["1", "2", "3", "4"])
    items = make_items(project, 240, labeled_at=timezone.now())
    for half, label in enumerate(labels):
        project.items.filter(row__in=range(half, 240, 2)).update(label=label)
    project.items.filter(row=4).update(label=wrong)
    two = [[0.9, 0.02, 0.9, 0.02], [0.02, 0.9, 0.02, 0.02]] if question == "multi" else [[0, 0, 0.1, 0.9], [0, 1, 0, 0]]
    monkeypatch.setattr(mislabeled, "_held_out", lambda *others: np.array(two * 120))
    Job.objects.create(project=project, kind=Job.Kind.MISLABELED)
    drain()
    doubted = project.items.get(label_quality__isnull=False)
    assert doubted.pk == items[4].pk
    assert doubted.likely_label == (2 if question == "multi" else 3)
    assert doubted.label_quality == pytest.approx(0.1 if question == "multi" else 0.0, abs=0.03)
