"""Test the statistics of the label-efficiency benchmark against cases computed by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.efficiency import compare as comparing
from benchmarks.efficiency.compare import compare, efficiency, holm, labels_to_reach, mean_with_interval

LABELS = np.array([100, 200, 300, 400])


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """With two seeds there are three different bootstrap draws, each at least a quarter of all draws."""
    monkeypatch.setattr(comparing, "RESAMPLES", 200)


@pytest.mark.parametrize(
    ("curve", "target", "labels"),
    [
        ([0.5, 0.6, 0.8, 0.9], 0.65, 225),  # on a straight line between two points
        ([0.5, 0.6, 0.8, 0.9], 0.8, 300),  # just reached
        ([0.5, 0.6, 0.8, 0.9], 0.91, math.inf),
        ([0.5, 0.6, 0.8, 0.9], 0.4, 100),  # it starts above
        # 0.8 and 0.6 become 0.7 each: the lucky peak alone would have said 200.
        ([0.5, 0.8, 0.6, 0.9], 0.75, 325),
    ],
)
def test_labels_to_reach(curve, target, labels):
    assert labels_to_reach(LABELS, np.array(curve), target) == pytest.approx(labels)


def test_shares_are_of_the_mean_curves():
    curves = {
        "uniform": np.array([[0.5, 0.6, 0.7, 0.8], [0.5, 0.6, 0.7, 0.8]]),
        "margin": np.array([[0.5, 0.7, 0.8, 0.9], [0.5, 0.7, 0.8, 0.9]]),
        "quick": np.array([[0.5, 0.75, 0.9, 0.9], [0.5, 0.85, 0.9, 0.9]]),
        "slow": np.array([[0.5, 0.5, 0.5, 0.6], [0.5, 0.5, 0.5, 0.6]]),
    }
    target, needs, shares = efficiency(LABELS, curves, "uniform", ("uniform", "margin"))
    assert target == pytest.approx(0.8)
    assert [needs[name].value for name in curves] == [pytest.approx(400), pytest.approx(300), pytest.approx(200), None]
    assert shares["uniform"]["quick"].value == pytest.approx(0.5)
    assert shares["margin"]["quick"].value == pytest.approx(2 / 3)
    assert shares["uniform"]["slow"].value is None


def test_intervals_cover_what_every_draw_of_the_seeds_gives():
    curves = {
        "uniform": np.array([[0.5, 0.6, 0.7, 0.8]] * 2),
        "quick": np.array([[0.5, 0.75, 0.9, 0.9], [0.5, 0.85, 0.9, 0.9]]),
    }
    _, _, shares = efficiency(LABELS, curves, "uniform", ("uniform",))
    found = shares["uniform"]["quick"]
    # Twice the first seed: 200 + 100 · 0.05 / 0.15 labels; twice the second: 100 + 100 · 0.3 / 0.35.
    assert found.high == pytest.approx((200 + 100 / 3) / 400)
    assert found.low == pytest.approx((100 + 100 * 0.3 / 0.35) / 400)


def test_a_bound_beyond_the_budget_is_left_open():
    curves = {
        "uniform": np.array([[0.5, 0.6, 0.7, 0.8]] * 2),
        "moody": np.array([[0.5, 0.9, 0.9, 0.9], [0.5, 0.5, 0.6, 0.79]]),
    }
    _, needs, shares = efficiency(LABELS, curves, "uniform", ("uniform",))
    assert needs["moody"].value is not None
    assert shares["uniform"]["moody"].high is None


def test_a_rival_that_does_not_get_there_is_counted_with_the_whole_budget():
    curves = {
        "uniform": np.array([[0.5, 0.6, 0.7, 0.8]]),
        "margin": np.array([[0.5, 0.5, 0.5, 0.5]]),
        "quick": np.array([[0.5, 0.8, 0.9, 0.9]]),
    }
    _, _, shares = efficiency(LABELS, curves, "uniform", ("margin",))
    assert shares["margin"]["quick"].value == pytest.approx(0.5)


def test_one_seed_has_no_interval_and_no_test():
    curves = {"uniform": np.array([[0.5, 0.6, 0.7, 0.8]])}
    _, needs, _ = efficiency(LABELS, curves, "uniform", ("uniform",))
    assert (needs["uniform"].low, needs["uniform"].high) == (None, None)
    compared = compare(curves["uniform"], curves["uniform"])
    assert compared.p_worse == [None] * 3
    assert compared.mean_difference.low is None


def test_the_interval_of_a_mean_is_students():
    found = mean_with_interval(np.array([1.0, 2.0, 3.0]))
    # t(0.975, 2) = 4.3027, deviation 1, three values.
    assert found.value == pytest.approx(2)
    assert found.high == pytest.approx(2 + 4.302653 / math.sqrt(3))
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3))


def test_holm_by_hand():
    # In order 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1; never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([None, 0.02]) == [None, 0.02]


def test_a_curve_that_is_worse_at_one_point_is_found_there():
    rng = np.random.default_rng(0)
    theirs = rng.normal(0.8, 0.05, (6, 4))
    ours = theirs + rng.normal(0, 0.004, (6, 4))
    ours[:, 2] -= 0.05
    compared = compare(ours, theirs)
    assert [p < 0.05 for p in compared.p_worse] == [False, True, False]
    assert not any(p < 0.05 for p in compared.p_better)
    p = stats.ttest_rel(ours[:, 2], theirs[:, 2], alternative="less").pvalue
    assert compared.p_worse[1] == pytest.approx(3 * p)
    assert compared.differences[1].high < 0
    equal = compare(ours, ours)
    assert equal.p_worse == equal.p_better == [1.0] * 3


def test_false_alarms_along_a_whole_curve_stay_at_their_level():
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(100):
        worse = compare(rng.normal(size=(5, 11)), rng.normal(size=(5, 11))).p_worse
        alarms += min(worse) < 0.05
    assert alarms / 100 < 0.12  # 0.4, were the p values not corrected
