"""Test that a version learns unlabeled items, too, and that its calibration later finds the same ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from digits import annotator, answer_batch, digits_project
from django.utils import timezone
from hosts import drain

from labeling.models import Item, ModelVersion, Project
from labeling.steps import calibrate, train
from labeling.steps.model_inputs import load_model, pool_sample, read_labels
from models_store import training

pytestmark = pytest.mark.django_db(transaction=True)
TRAINING = {"epochs": 2, "min_steps": 15, "learns_from": "pool"}


@pytest.mark.long
def test_a_version_learns_the_pool_and_is_calibrated_with_the_same_sample(tmp_path: Path, monkeypatch) -> None:
    project = digits_project(tmp_path, n=320, batch_size=150, training=TRAINING)
    user, trained, calibrated = annotator(project), [], []
    for step, name, seen in ((train, "train", trained), (calibrate, "calibrate", calibrated)):
        real = getattr(step.compute, name)
        monkeypatch.setattr(
            step.compute, name, lambda *args, real=real, seen=seen, **how: seen.append(args) or real(*args, **how)
        )
    drain()
    taken_out = Item.objects.unpicked().filter(reserved=False).first()
    assert taken_out is not None
    Item.objects.filter(pk=taken_out.pk).update(excluded_at=timezone.now())
    answer_batch(project, user)
    drain()

    version = ModelVersion.objects.get()
    pool = version.metrics["training"]["pool"]
    assert pool["of_rows"] == 320
    assert 0 <= pool["right_without"] <= pool["right"] <= 1
    [(labeled, recipe, _)] = trained
    [(_, _, again, *_)] = calibrated
    assert np.array_equal(labeled.pool, again.pool)
    rows = sample(project, version)
    assert len(rows) == len(labeled.pool) == pool["items"]
    assert taken_out.row not in rows
    assert not Item.objects.filter(row__in=rows.tolist()).exclude(reserved=False, label=None).exists()
    assert load_model(project, version).calibration == training.train(replace(labeled), recipe).calibration


def sample(project: Project, version: ModelVersion) -> np.ndarray:
    labeled = read_labels(project, project.items.trainable(), 10)
    return pool_sample(project, labeled, version.metrics["training"]["pool"]["of_rows"], version.seed)
