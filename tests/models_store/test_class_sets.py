"""Test that sparse classes of "multi" take little memory, and train like dense ones."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labeling.models import Project
from labeling.steps.model_inputs import read_labels
from models_store import questions
from models_store.class_sets import ClassSets
from models_store.config import TrainConfig
from models_store.training import Recipe, TrainingSet, train

SETS = st.lists(st.lists(st.integers(0, 6), unique=True, max_size=7), max_size=12)
MIB = 1 << 20


def booleans(sets: list[list[int]], n_classes: int) -> np.ndarray:
    found = np.zeros((len(sets), n_classes), bool)
    for row, classes in enumerate(sets):
        found[row, classes] = True
    return found


@given(sets=SETS, data=st.data())
def test_rows_and_counts_are_those_of_the_booleans(sets: list[list[int]], data: Any) -> None:
    dense = booleans(sets, 7)
    for made in (ClassSets.of(sets, 7), ClassSets.of_dense(dense)):
        assert made.shape == dense.shape
        assert (made.dense(slice(None)) == dense).all()
        assert made.count().tolist() == dense.sum(axis=0).tolist()
        rows = np.array(data.draw(st.lists(st.integers(0, len(sets) - 1), max_size=9)) if sets else [], np.int64)
        assert (made.dense(rows) == dense[rows]).all()
        assert (made[rows].dense(slice(1, 4)) == dense[rows][1:4]).all()


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_a_training_is_the_same_bit_for_bit(balance: float) -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(120, 6)).astype(np.float32)
    dense = features[:, :4] > 0.5
    sets = ClassSets.of([np.flatnonzero(row).tolist() for row in dense], 4)
    config = TrainConfig(epochs=2, min_steps=5, calibration_labels=0, class_balance=balance)
    by_sets, by_booleans = (
        train(TrainingSet(features, targets, "multi", 4, (6,)), Recipe(5, config)) for targets in (sets, dense)
    )
    for one, other in zip(
        by_sets.model.network.state_dict().values(), by_booleans.model.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_classes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="targets lie in 0 … 2"):
        questions.named("multi").checked_targets(ClassSets.of([[3]], 3), None, n=1, n_classes=3)
    with pytest.raises(ValueError, match="expected"):
        questions.named("multi").checked_targets(ClassSets.of([[0]], 3), None, n=2, n_classes=3)


class Items:
    """Labeled items for `read_labels`: 5,000 items with three of 20,000 classes each."""

    def order_by(self, *names: str) -> Items:
        return self

    def values_list(self, *names: str) -> Any:
        return ((row, [row, row + 5000, row + 10_000], None) for row in range(5000))


def test_a_long_list_of_classes_takes_little_memory() -> None:
    """Dense labels would take 95 MiB."""
    project = Project(question="multi")
    tracemalloc.start()
    try:
        labeled = read_labels(project, Items(), 20_000)
        labels = TrainingSet(np.zeros((5000, 4), np.float32), labeled.targets, "multi", 20_000, (4,))
        assert labels.take(np.arange(16))[1].sum() == 48
        assert questions.named("multi").guessing_loss(labels.kept_targets) > 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * MIB
