"""Test that a training set checks its arrays once and keeps them together."""

import numpy as np
import pytest
from model_data import blobs, labeled

from models_store.class_sets import ClassSets
from models_store.training import TrainingSet


@pytest.mark.parametrize("question", ["single", "multi", "verify"])
def test_a_subset_has_the_labels_of_its_rows(question):
    whole, rows = labeled(blobs(50, seed=1), question), np.array([7, 3, 40])
    part = whole.subset(rows)
    assert (len(part), part.question, part.n_classes, part.input_shape) == (3, question, 4, (12,))
    for one, other in zip(part.take(np.arange(3)), whole.take(rows), strict=True):
        assert (one is None and other is None) or (one == other).all()


def test_a_subset_of_class_sets_is_that_of_the_booleans():
    dense = np.random.default_rng(0).random((30, 5)) < 0.3
    sets, rows = ClassSets.of_dense(dense), np.array([4, 4, 29])
    features = np.zeros((30, 2), np.float32)
    by_sets, by_booleans = (TrainingSet(features, each, "multi", 5, (2,)).subset(rows) for each in (sets, dense))
    assert (by_sets.take(np.arange(3))[1] == by_booleans.take(np.arange(3))[1]).all()
