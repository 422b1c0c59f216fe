"""Test the loop with real digits while its classes change."""

import uuid
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, digits_project

from labeling.models import Item, Job, Project, User
from labeling.projects.classes import changing as classes
from labeling.queue import queue, submitting
from labeling.queue.answer import Answer
from labeling.steps.registry import run_step
from labeling.steps.running.worker import Worker
from labeling.storage.arrays.files import ProjectFiles, load_array
from tests.extent import some

pytestmark = pytest.mark.django_db(transaction=True)


def drain() -> None:
    Job.objects.filter(kind=Job.Kind.RELABEL).update(run_after="2000-01-01T00:00Z")
    worker = Worker(run_step)
    while worker.run_next():
        pass
    assert not Job.objects.exclude(state=Job.State.DONE).exists()


def label(project: Project, user: User, become: dict[int, int] | None = None) -> None:
    """Answer the open batch with the truth, with other names for some classes."""
    project.refresh_from_db()
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        answers = [
            Answer(id=uuid.uuid4(), task=task.pk, value=(become or {}).get(task.item.truth, task.item.truth))
            for task in tasks
        ]
        assert not submitting.submit(project=project, user=user, answers=answers).rejected


@pytest.mark.parametrize("warm", some([True, False]))
def test_a_class_that_comes_later_is_learned_and_older_versions_still_serve(tmp_path: Path, warm: bool) -> None:
    # Labels alone, drawn at random: the sevens before and after the new class are alike, and the pool and doubts cannot
    # tell them apart.
    training = {"epochs": 15, "min_steps": 60, "calibration_labels": 0, "warm_start": warm, "learns_from": "labels"}
    project = digits_project(tmp_path, n=300, batch_size=60, training=training, strategy="uniform")
    user = annotator(project)
    drain()
    label(project, user)
    drain()
    eleventh = classes.add(project=project, user=None, name="seven with a bar")
    label(project, user, {7: eleventh.index})
    drain()
    first, second = project.versions.order_by("number")
    assert (first.classes, second.classes) == (10, 11)
    assert second.metrics["control"]["n"] > 0
    best = load_array(ProjectFiles(project).pool(second, "best"))
    assert eleventh.index in best, "it is found in the pool"
    assert second.gate["n"] > 0, "the older one was asked too: of the new class it knows nothing"


@pytest.mark.long
def test_merged_classes_count_as_one_for_a_model_that_tells_them_apart(tmp_path: Path) -> None:
    training = {"epochs": 15, "min_steps": 60, "calibration_labels": 0, "learns_from": "labels"}
    project = digits_project(tmp_path, n=300, training=training)
    user = annotator(project)
    drain()
    label(project, user)
    drain()
    before = load_array(ProjectFiles(project).pool(project.versions.get(), "best")).copy()
    classes.merge(project=project, user=None, index=3, into=8)
    assert 3 in before
    label(project, user)
    drain()
    assert not Item.objects.filter(label=3).exists()
    version = project.versions.get(number=2)
    best = load_array(ProjectFiles(project).pool(version, "best"))
    assert 3 not in best
    assert (best == 8).sum() > (before == 8).sum()
    margins = load_array(ProjectFiles(project).pool(version, "margins"))
    assert np.isfinite(margins).all()
