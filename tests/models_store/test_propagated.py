"""Test labels of near-copies in a training: their weights, and that they never measure the training."""

import numpy as np
import pytest
import torch

from models_store.config import TrainConfig
from models_store.estimators import EstimatorError, named
from models_store.learning import learn
from models_store.training import Propagated, Recipe, Trained, TrainingSet, train
from models_store.training.training_set import split_off_validation

N, COPIES, CLASSES = 400, 200, 4


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray, Propagated]:
    """Return items of four classes, followed by near-copies of every second one, with weights of a half."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, CLASSES, N)
    features = (rng.normal(size=(N, 8)) + 2 * np.eye(CLASSES, 8)[targets]).astype(np.float32)
    sources = np.arange(0, N, 2)
    copies = features[sources] + rng.normal(0, 0.01, (COPIES, 8)).astype(np.float32)
    weights = np.r_[np.ones(N), np.full(COPIES, 0.5)].astype(np.float32)
    propagated = Propagated(np.r_[np.arange(N), sources], weights)
    return np.r_[features, copies], np.r_[targets, targets[sources]], propagated


def labels_of(features: np.ndarray, targets: np.ndarray, propagated: Propagated | None) -> TrainingSet:
    return TrainingSet(features, targets, "single", CLASSES, (8,), propagated=propagated)


def test_none_is_held_back_and_none_of_what_is_held_back_is_learned() -> None:
    features, targets, propagated = data()
    training, held_back = split_off_validation(labels_of(features, targets, propagated), 0.3, np.random.default_rng(3))
    assert len(held_back) == 120
    assert held_back.max() < N
    assert not np.isin(propagated.sources[training], held_back).any()
    assert set(training) | set(held_back) | set(np.flatnonzero(np.isin(propagated.sources, held_back))) == set(
        range(N + COPIES)
    )


def test_without_near_copies_nothing_changes() -> None:
    features, targets, _ = data()
    alone = split_off_validation(labels_of(features, targets, None), 0.3, np.random.default_rng(3))
    own = Propagated(np.arange(N + COPIES), np.ones(N + COPIES, np.float32))
    for one, other in zip(
        alone, split_off_validation(labels_of(features, targets, own), 0.3, np.random.default_rng(3)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


QUICK = TrainConfig(epochs=2, min_steps=20, calibration_labels=200)


def trained(features: np.ndarray, targets: np.ndarray, propagated: Propagated | None) -> Trained:
    return train(labels_of(features, targets, propagated), Recipe(5, QUICK))


@pytest.mark.long
def test_a_weight_of_nothing_teaches_nothing_and_the_weight_decides() -> None:
    features, targets, propagated = data()
    wrong = np.r_[targets[:N], (targets[N:] + 1) % CLASSES]  # what near-copies say is not true
    weights = [0.0, 0.05, 20.0]
    right = []
    for weight in weights:
        counts = propagated.weights.copy()
        counts[N:] = weight
        model = trained(features, wrong, propagated._replace(weights=counts)).model
        with torch.no_grad():
            logits = model.network(torch.from_numpy(features[N:]))[1]
        right.append(float((logits.argmax(dim=1).numpy() == targets[N:]).mean()))
    assert right[0] > 0.6
    assert right[2] < 0.5 < right[1]


def test_what_calibrates_are_answers_to_the_very_items() -> None:
    features, targets, propagated = data()
    result = trained(features, targets, propagated)
    assert 0 < result.calibration_size <= N
    assert result.training_size + result.validation_size <= N + COPIES


def test_scikit_learn_takes_the_weights_where_it_can() -> None:
    features, targets, propagated = data()
    bayes, neighbors = (
        Recipe(1, learner=named("scikit-learn"), options={"classifier": name, "parameters": "{}"})
        for name in ("GaussianNB", "KNeighborsClassifier")
    )
    assert learn(labels_of(features, targets, propagated), bayes).training_size == N + COPIES
    with pytest.raises(EstimatorError, match="set `near_copies` to 0"):
        learn(labels_of(features, targets, propagated), neighbors)
    even = propagated._replace(weights=np.ones(N + COPIES, np.float32))
    learn(labels_of(features, targets, even), neighbors)
