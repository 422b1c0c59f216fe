"""Test that models learn from a manager's corrections, and are measured by them."""

from pathlib import Path

import pytest
from digits import annotator, answer_batch, digits_project
from hosts import drain

from labeling.labels.corrections import correct, withdraw
from labeling.models import ModelVersion
from labeling.steps.model_inputs import read_labels

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
def test_the_next_training_learns_the_corrected_labels(tmp_path: Path) -> None:
    project = digits_project(tmp_path, n=200, batch_size=30)
    user = annotator(project)
    drain()
    answer_batch(project, user)
    drain()
    before = read_labels(project, project.items.trainable(), 10)
    assert ModelVersion.objects.get().labels_hash == before.hash
    wrong, taken_back = project.items.trainable().order_by("row")[:2]
    correct(item=wrong, user=user, value=(wrong.label + 1) % 10)
    correct(item=taken_back, user=user, value=(taken_back.label + 1) % 10)
    withdraw(item=taken_back, user=user)
    expected = before.targets.copy()
    expected[0] = (expected[0] + 1) % 10
    answer_batch(project, user)
    drain()
    version = ModelVersion.objects.get(number=2)
    seen = read_labels(project, project.items.trainable(), 10)
    assert version.labels_hash == seen.hash
    first = {row: target for row, target in zip(seen.rows, seen.targets, strict=True) if row in set(before.rows)}
    assert [first[row] for row in before.rows] == expected.tolist()
