"""Test near-copies in the loop, with repeated digits: chosen, shown, checked and learned."""

import io
import json
import uuid
import zipfile
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, digits_project
from draining import ON_THE_SIDE, drain
from PIL import Image
from sklearn.datasets import load_digits
from taken_in import take_in

from labeling.loop.step import Step
from labeling.models import Batch, Copy, Item, Job, Project, Task, User
from labeling.queue import copy_answers, queue, submitting
from labeling.queue.answer import Answer
from labeling.steps import batch_copies
from labeling.steps import train as training
from labeling.steps.batch_copies import choose
from labeling.steps.train import labels_for

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 4
"""How often each digit is there, with a little noise."""


def noisy_digits(path: Path, n: int) -> Path:
    digits, rng, lines = load_digits(), np.random.default_rng(0), []
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(n * TIMES):
            image = digits.images[number // TIMES] * 15
            noisy = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
            picture = io.BytesIO()
            Image.fromarray(noisy).save(picture, "PNG")
            archive.writestr(f"{number:04}.png", picture.getvalue())
            lines.append(json.dumps({"file_name": f"{number:04}.png", "truth": str(digits.target[number // TIMES])}))
        archive.writestr("metadata.jsonl", "\n".join(lines))
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(batch_copies, "COPY_CHECKS", 0.5)
    monkeypatch.setattr(batch_copies, "COPY_ERROR", 0.3)
    project = digits_project(tmp_path, run_import=False, near_copies=3, mean_cluster_size=4.0, batch_size=40)
    path = noisy_digits(tmp_path / "digits.zip", 120)
    take_in(project, path)
    drain(aside=ON_THE_SIDE)
    return project


def answer(project: Project, user: User) -> Batch:
    """Answer the open batch with the truth, and leave in the copies with the same truth."""
    batch = project.batches.open().get()
    while tasks := queue.claim(project=project, user=user, count=50).tasks:
        beside = copy_answers.shown_beside(project, tasks)
        answers = []
        for task in tasks:
            near = Item.objects.in_bulk([item.pk for item in beside[task.pk]]).values()
            truth = Item.objects.get(pk=task.item_key).truth
            same = [item.pk for item in near if item.truth == truth]
            different = [item.pk for item in near if item.truth != truth]
            answers.append(Answer(uuid.uuid4(), task.pk, truth, same=same, different=different))
        assert not submitting.submit(project=project, user=user, answers=answers).rejected
    return batch


@pytest.mark.long
def test_copies_are_chosen_checked_trusted_and_learned_from(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = []
    real = training.compute.train
    monkeypatch.setattr(
        training.compute, "train", lambda given, *more, **named: trainings.append(given) or real(given, *more, **named)
    )
    user = annotator(project)
    first = answer(project, user)
    assert not Copy.objects.exists(), "without a clustering there are none"
    drain(aside=ON_THE_SIDE)

    second = project.batches.open().get()
    chosen = Copy.objects.filter(batch=second)
    assert second.copy_reach == second.cut_height
    assert second.copy_radius is None, "nothing was checked yet"
    assert chosen.count() > 30
    assert chosen.filter(is_check=True).count() == 20
    assert not chosen.filter(item__task__isnull=False).exists()
    assert not chosen.filter(item__reserved=True).exists()
    assert not chosen.filter(height__gt=second.copy_reach).exists()
    control = Task.objects.filter(batch=second, is_control=True).values("item")
    assert chosen.filter(of__in=control).exists(), "control tasks have copies as others do"
    numbers = list(chosen.order_by("pk").values_list("of__task__rank", flat=True))
    assert numbers != sorted(numbers), "ids of copies follow chance"
    answer(project, user)
    assert not Copy.objects.propagated().exists(), "nothing is trusted yet"
    drain(aside=ON_THE_SIDE)

    third = project.batches.open().get()
    checks = Task.objects.filter(batch=third, item__as_copy__is_check=True)
    assert checks.count() > 10
    assert set(checks.values_list("asked", "is_control")) == {(True, False)}
    assert max(checks.values_list("rank", flat=True)) > 20, "they stand among the others"
    answer(project, user)
    drain(aside=ON_THE_SIDE)

    assert Copy.objects.checked().count() == checks.count()
    second.refresh_from_db()
    assert second.copy_radius is not None
    assert third.dendrogram_hash == second.dendrogram_hash
    fourth = project.batches.open().get()
    assert fourth.copy_radius == second.copy_radius, "from its opening on, its copies are none of the next one's"
    propagated = Copy.objects.propagated()
    n = propagated.count()
    assert n > 20
    assert all(copy.item.label is None for copy in propagated.select_related("item"))
    assert not project.items.unlabeled().filter(pk__in=propagated.values("item")).exists()
    version = project.versions.get(number=3)
    learned = trainings[-1].propagated
    assert version.metrics["training"]["near_copies"] == int((learned.weights < 1).sum()) > 0
    assert version.labels == int((learned.weights == 1).sum())
    assert first.copy_radius is None


@pytest.mark.long
def test_what_a_version_learns_can_be_read_again_and_a_selection_chosen_again(project: Project) -> None:
    user = annotator(project)
    for _ in range(2):
        answer(project, user)
        drain(aside=ON_THE_SIDE)
    Copy.objects.update(is_check=False)
    Batch.objects.update(copy_radius=10.0)
    batch = project.batches.get(number=2)
    labels = labels_for(batch, 10, soft=False)
    assert labels.hash == labels_for(batch, 10, soft=False).hash
    assert labels.copies > 20
    assert labels.propagated is not None
    own = len(labels.rows) - labels.copies
    assert (labels.propagated.sources[:own] == np.arange(own)).all()
    assert (labels.propagated.sources[own:] < own).all()
    truth = dict(Item.objects.values_list("row", "truth"))
    assert [truth[row] for row in labels.rows.tolist()] == list(labels.targets)
    assert not set(labels.rows[own:].tolist()) & set(Item.objects.control().values_list("row", flat=True))
    Project.objects.update(near_copies=0)
    assert labels_for(Batch.objects.get(pk=batch.pk), 10, soft=False).copies == 0

    # Chosen again, as after a kill: what an attempt left of items that the batch has no more goes, the rest stays.
    third = project.batches.open().get()
    before = set(Copy.objects.values_list("of", "item"))
    stray, other = project.items.unlabeled().filter(as_copy=None).order_by("pk")[:2]
    Copy.objects.create(of=stray, item=other, batch=third, height=0.0)
    job = third.jobs.get(kind=Job.Kind.SELECT)
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING)
    facts = {"dendrogram_hash": third.dendrogram_hash, "cut_height": third.cut_height}
    choose(Step(Job.objects.get(pk=job.pk), gives_way=False), third, facts)
    assert before <= set(Copy.objects.values_list("of", "item"))
    assert not Copy.objects.filter(of=stray).exists()
