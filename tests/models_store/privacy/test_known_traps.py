"""Test that private training avoids known mistakes of DP-SGD that make a stated epsilon too small.

The numbers are of issues of Opacus. Batch norm, and the clipping of each record by itself: test_private_training.py.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from model_data import Pool, blobs, labeled
from scipy import stats

from models_store.networks import Mlp, MlpConfig
from models_store.privacy import entropy
from models_store.privacy import training as private_training
from models_store.privacy.config import PrivacyConfig
from models_store.privacy.training import losses_of, train_private
from models_store.training import Propagated, TrainingSet

STEPS = 20
SETTINGS = PrivacyConfig(noise_multiplier=2.0, delta=1e-4, steps=STEPS, chunk=50)


class Seen(NamedTuple):
    """One step of a training: the sampled rows, the divisor, the clipping norm and the learning rate."""

    rows: np.ndarray
    divisor: float
    clipping: float
    rate: float


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """Return the list to which each step of a private training is added."""
    steps: list[Seen] = []
    step = private_training._step

    def watched(private: Any, optimiser: Any, records: Any, rows: np.ndarray, chunk: int) -> None:
        rate = optimiser.original_optimizer.param_groups[0]["lr"]
        step(private, optimiser, records, rows, chunk)
        steps.append(Seen(rows, optimiser.expected_batch_size, optimiser.max_grad_norm, rate))

    monkeypatch.setattr(private_training, "_step", watched)
    return steps


def without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make noise and sampling repeatable."""
    rng = np.random.default_rng(3)
    monkeypatch.setattr(entropy, "poisson_sample", lambda n, rate: np.flatnonzero(rng.random(n) < rate))
    monkeypatch.setattr(
        entropy, "gaussian", lambda shape, deviation: torch.from_numpy(rng.normal(0, deviation, tuple(shape))).float()
    )


def test_the_divisor_is_the_expected_size_of_a_batch_not_rounded_and_not_the_drawn_one(seen: list[Seen]) -> None:
    """#819: a rounded or a drawn size differs between neighbouring sets of records."""
    train_private(labeled(blobs(303, seed=1)), SETTINGS, seed=1)
    rates = [stage.sampling_rate for stage in SETTINGS.phases(303)[1:] for _ in range(stage.steps)]
    assert [step.divisor for step in seen] == [303 * rate for rate in rates]
    assert any(step.divisor != round(step.divisor) for step in seen)
    assert any(step.divisor != len(step.rows) for step in seen)


def test_the_number_of_records_cancels_out_of_a_step(seen: list[Seen]) -> None:
    """#819: the factor of a noisy sum is the same with one record more, so its noise does not reveal the record."""
    factors = []
    for n in (120, 121):
        seen.clear()
        train_private(labeled(blobs(n, seed=1)), SETTINGS, seed=1)
        factors.append([step.rate / step.divisor for step in seen])
    assert factors[0] == pytest.approx(factors[1], rel=1e-12)


def test_no_record_changes_the_rates_the_divisor_or_the_clipping_norm(seen: list[Seen]) -> None:
    """#807: a clipping norm that follows the gradients is a mechanism of its own, and would have to be paid for."""
    pool = blobs(120, seed=1)
    features, classes = pool.features.copy(), (pool.classes + 1) % 4
    features[7] = 1e6
    settings = []
    for each in (pool, Pool(features, classes, 4)):
        seen.clear()
        train_private(labeled(each), SETTINGS, seed=1)
        settings.append([step[1:] for step in seen])
    assert settings[0] == settings[1]
    assert {step.clipping for step in seen} == {SETTINGS.clipping_norm}


@pytest.mark.parametrize("question", ["single", "multi", "verify"])
def test_the_first_weights_follow_from_the_seed_and_not_from_labels(
    question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last layer that starts at the frequencies of the classes would tell them without noise."""
    first: list[list[torch.Tensor]] = []
    scale = private_training._scale

    def watched(perceptron: Mlp, *others: Any) -> None:
        first.append([weights.detach().clone() for weights in perceptron.parameters()])
        scale(perceptron, *others)

    monkeypatch.setattr(private_training, "_scale", watched)
    pool = blobs(60, seed=1)
    for classes in (pool.classes, np.zeros_like(pool.classes)):
        records = labeled(Pool(pool.features, classes, 4), question)
        train_private(records, replace(SETTINGS, steps=3), seed=1)
    for one, other in zip(*first, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("clipping", ["adaptive", "per_layer", None, float("inf")])
def test_a_clipping_norm_is_a_number_that_is_fixed_beforehand(clipping: Any) -> None:
    with pytest.raises(ValueError, match="clipping_norm must be a number"):
        replace(SETTINGS, clipping_norm=clipping)


def test_the_batches_are_poisson_samples_and_not_parts_of_a_shuffled_pass(seen: list[Seen]) -> None:
    """In passes over shuffled records, all batches have one size, and each record comes up once in a pass."""
    n, rate, steps = 400, 0.1, 130
    config = replace(SETTINGS, steps=steps, growth=(1.0,), largest_rate=rate)
    train_private(labeled(blobs(n, seed=1)), config, seed=1)
    taken = np.zeros((steps, n), bool)
    for step, each in zip(taken, seen, strict=True):
        assert (np.diff(each.rows) > 0).all(), "no record twice in a batch"
        step[each.rows] = True
    sizes, times = taken.sum(axis=1), taken.sum(axis=0)
    for counts, trials in ((sizes, n), (times, steps)):
        spread = counts.var(ddof=1) / (trials * rate * (1 - rate))
        low, high = (stats.chi2.ppf(q, len(counts) - 1) / (len(counts) - 1) for q in (1e-7, 1 - 1e-7))
        assert low < spread < high, "the variance of a binomial number"
    assert stats.binomtest(int(taken.sum()), n * steps, rate).pvalue > 1e-7
    again = int((taken[1:] & taken[:-1]).sum())
    assert stats.binomtest(again, n * (steps - 1), rate**2).pvalue > 1e-7, "a step does not depend on the one before"
    one_pass = taken[: round(1 / rate)].sum(axis=0)
    assert one_pass.min() == 0, "some records come up in no batch of a pass"
    assert one_pass.max() > 1, "some in several"


def test_weights_change_neither_sampling_nor_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """#813: a weighted sampler takes heavy records more often than the rate that the accountant counts."""
    pool = blobs(60, seed=1)
    weights = np.linspace(0.1, 50, 60).astype(np.float32)
    networks = []
    for options in ({}, {"propagated": Propagated(np.arange(60), weights), "representative": np.arange(60) < 30}):
        without_chance(monkeypatch)
        trained = train_private(labeled(pool, **options), replace(SETTINGS, steps=12), seed=1)
        networks.append(trained.model.network)
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_label_that_several_records_share_is_refused() -> None:
    """The accountant hides one record. An answer that near-copies repeat would be in several."""
    sources = np.arange(60)
    sources[59] = 3
    records = labeled(blobs(60, seed=1), propagated=Propagated(sources, np.ones(60, np.float32)))
    with pytest.raises(ValueError, match=r"1 of the labels repeats that of another item"):
        train_private(records, SETTINGS, seed=1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused_before_anything_is_drawn(bad: float, seen: list[Seen]) -> None:
    """A gradient that is not a number passes every clip, and makes the whole sum no number."""
    pool = blobs(60, seed=1)
    pool.features[7, 3] = bad
    with pytest.raises(ValueError, match="the features hold numbers that are not finite"):
        train_private(labeled(pool), SETTINGS, seed=1)
    assert not seen


@pytest.mark.parametrize("question", ["single", "multi", "verify"])
def test_the_loss_of_a_record_does_not_depend_on_the_other_records_of_a_chunk(question: str) -> None:
    """#808: a mean over the targets that are not ignored has a divisor that all records of a batch share."""
    network = Mlp(MlpConfig(n_inputs=12, n_classes=4, dropout=0.0))
    torch.nn.init.normal_(network.head.weight)
    records = labeled(blobs(30, seed=1), question)
    together = losses_of(network, records, np.arange(30))
    alone = torch.cat([losses_of(network, records, np.array([row])) for row in range(30)])
    assert together.shape == (30,)
    torch.testing.assert_close(together, alone)
    assert (together >= 0).all()
    assert together.sum() > 0


def test_there_is_no_class_that_a_loss_ignores() -> None:
    """#808: torch ignores the class -100, and counts no loss for it."""
    pool = blobs(30, seed=1)
    classes = pool.classes.copy()
    classes[4] = -100
    with pytest.raises(ValueError, match="targets"):
        TrainingSet(pool.features, classes, "single", 4, (12,))
