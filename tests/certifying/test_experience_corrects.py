"""Test that experience corrects the probabilities of a model."""

import numpy as np
import pytest
from scipy.optimize import minimize

from labeling.finishing.certifying.corrected_probabilities import (  # fmt: skip
    BEND,
    NOTHING,
    PRIOR,
    UNCHANGED,
    Checked,
    PickedBatch,
    correct_probabilities,
    still_open,
)


def test_no_experience_changes_no_probability():
    said = np.array([0.2, 0.7, 0.999])
    assert np.allclose(correct_probabilities(said, NOTHING), said)


@pytest.mark.parametrize(("shift", "slope"), [(1.5, 1.0), (-1.0, 1.0), (0.5, 1.3)])
def test_experience_corrects_what_a_model_says_wrongly(shift, slope):
    rng = np.random.default_rng(0)

    def true(p):
        return 1 / (1 + np.exp(-(shift + slope * np.log(p / (1 - p)))))

    earlier, said = rng.uniform(0.3, 0.9, 600), rng.uniform(0.8, 0.99, 1000)
    corrected = correct_probabilities(said, Checked(earlier, rng.random(600) < true(earlier)))
    assert np.abs(corrected - true(said)).mean() < 0.7 * np.abs(said - true(said)).mean()
    assert (np.diff(corrected[np.argsort(said)]) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_is_never_quite_sure_is_corrected_where_it_is_sure_and_where_it_doubts(seed):
    """Its answers of 0.9 and more are right in 99.7 % of cases, as those of models that learned smoothed targets."""
    rng = np.random.default_rng(seed)

    def true(p):
        x = np.log(p / (1 - p))
        return 1 / (1 + np.exp(-(1.2 * x + 1.5 * np.maximum(x - 1.5, 0))))

    drawn, said = rng.beta(4, 0.8, (2, 3000)) * 0.96
    corrected = correct_probabilities(said, Checked(drawn, rng.random(3000) < true(drawn)))
    doubtful, sure = said < 0.7, said >= 0.9
    assert (1 - corrected[doubtful]).mean() == pytest.approx((1 - true(said[doubtful])).mean(), rel=0.1)
    assert (1 - corrected[sure]).mean() < 1.8 * (1 - true(said[sure])).mean()  # a single line: up to three times


@pytest.mark.parametrize("seed", range(3))
def test_a_correction_is_the_most_probable_one(seed):
    """The reference maximises the same probability without derivatives."""
    rng = np.random.default_rng(seed)
    sure, error = rng.uniform(0.2, 0.99, 200), rng.uniform(0, 0.1, 200)
    checked = Checked(sure, rng.random(200) < sure**0.7, error)

    def curve(at, probabilities):
        x = np.log(probabilities / (1 - probabilities))
        return 1 / (1 + np.exp(-(at[0] + at[1] * np.minimum(x, BEND) + at[2] * np.maximum(x - BEND, 0))))

    def improbability(at):
        p = curve(at, sure)
        given = np.where(checked.right, (1 - error) * p, error * p + 1 - p)
        off = at - UNCHANGED
        return off @ np.linalg.solve(PRIOR, off) / 2 - np.log(given).sum()

    options = {"xatol": 1e-6, "fatol": 1e-10, "maxiter": 5000}
    slow = minimize(improbability, UNCHANGED, method="Nelder-Mead", options=options).x
    said = np.array([0.3, 0.6, 0.9, 0.98])
    assert correct_probabilities(said, NOTHING, checked) == pytest.approx(curve(slow, said), abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_items_drawn_by_chance_stand_for_those_that_no_batch_has_picked(seed):
    """Each version sees how hard an item is, with an error of its own, and a batch picks what it doubts most."""
    rng = np.random.default_rng(seed)
    n, batches = 20_000, []
    hard, is_open = rng.normal(size=n), np.ones(n, bool)
    drawn = np.arange(1000)  # never picked
    for _ in range(5):
        said = 1 / (1 + np.exp(hard + rng.normal(size=n) - 2))
        candidates = np.flatnonzero(is_open[1000:]) + 1000
        picked = candidates[np.argsort(said[candidates])[:1000]]
        is_open[picked] = False
        batches.append(PickedBatch(said[drawn], said[rng.choice(picked, 300, replace=False)], 1000 / len(candidates)))
    rest = np.flatnonzero(is_open[1000:]) + 1000
    weights = still_open(1000, batches, 0.0)
    assert abs(hard[drawn].mean() - hard[rest].mean()) > 0.25
    assert np.average(hard[drawn], weights=weights) == pytest.approx(hard[rest].mean(), abs=0.1)
    assert weights.sum() == pytest.approx(weights.sum() ** 2 / (weights**2).sum())  # Kish's effective number


def test_without_batches_all_drawn_items_count_alike():
    doubtful = np.array([0.1])
    assert still_open(3, [], 0.1).tolist() == [1, 1, 1]
    assert still_open(2, [PickedBatch(np.empty(0), doubtful, 0.1)], 0.1).tolist() == [1, 1]
    assert still_open(2, [PickedBatch(np.array([0.9, 0.1]), doubtful, 0.5)], 0.0).tolist() == [1, 0]
    newer = PickedBatch(np.array([0.9, 0.1, 0.5]), doubtful, 0.5)  # it has predicted a third item
    assert still_open(2, [newer], 0.0).tolist() == [1, 0]
    everything = PickedBatch(np.array([0.9, 0.1]), np.array([0.1, 0.9]), 1.0)
    assert still_open(2, [everything], 0.1) == pytest.approx([1, 1])  # what no batch can pick is left
    assert still_open(2, [everything], 0.0).tolist() == [0, 0]


def test_an_item_with_a_weight_counts_as_often():
    said = np.array([0.4, 0.8, 0.97])
    right = np.array([True, False, True])
    twice = Checked(np.repeat(said, 2), np.repeat(right, 2), 0.02)
    assert correct_probabilities(said, Checked(said, right, 0.02, weight=2.0)) == pytest.approx(
        correct_probabilities(said, twice), abs=1e-5
    )


@pytest.mark.parametrize("wrong", [0.005, 0.05])
def test_errors_of_people_are_not_taken_for_errors_of_the_model(wrong):
    rng = np.random.default_rng(0)
    said = np.full(20_000, 0.95)
    agree = (rng.random(len(said)) >= wrong) & (rng.random(len(said)) >= 0.03)
    assert 1 - correct_probabilities(said, Checked(said, agree, label_error=0.03)).mean() == pytest.approx(
        wrong, abs=0.003
    )
    assert 1 - correct_probabilities(said, Checked(said, agree)).mean() == pytest.approx(wrong + 0.03, abs=0.005)


def test_labels_that_were_asked_again_tell_more_against_a_model():
    """People differ from the model about 30 of 1,000 items: by chance, unless further answers agree with the first."""
    said, agree = np.full(1000, 0.98), np.arange(1000) >= 30
    single = correct_probabilities(said, Checked(said, agree, label_error=0.03))
    settled = correct_probabilities(said, Checked(said, agree, label_error=np.where(agree, 0.03, 1e-3)))
    assert 1 - single.mean() < 0.01
    assert 1 - settled.mean() == pytest.approx(0.03, abs=0.005)


def test_items_drawn_by_chance_outweigh_picked_ones():
    """Near-copies: a model is right about the doubtful items whose copies it has learned, and less about all others."""
    rng = np.random.default_rng(0)
    doubtful, said = rng.uniform(0.4, 0.9, 2000), rng.uniform(0.9, 0.99, 800)
    picked = Checked(doubtful, rng.random(2000) < 0.7 + 0.3 * doubtful)
    drawn = Checked(said, rng.random(800) < 0.92)
    assert 1 - correct_probabilities(said, NOTHING, picked).mean() < 0.04
    assert 1 - correct_probabilities(said, drawn, picked).mean() == pytest.approx(0.08, abs=0.015)


def test_certain_answers_stay_finite():
    corrected = correct_probabilities(np.array([0.0, 1.0]), Checked(np.array([1.0] * 50), np.zeros(50, bool)))
    assert np.isfinite(corrected).all()


@pytest.mark.parametrize("share", [0.02, 0.6])
def test_a_model_that_is_sure_and_often_wrong_is_corrected(share):
    rng = np.random.default_rng(0)
    said = np.clip(1 - rng.exponential(0.06, 10_000), 0.1, 0.9999)
    assert correct_probabilities(said, Checked(said, rng.random(10_000) < share)).mean() == pytest.approx(
        share, abs=0.01
    )
