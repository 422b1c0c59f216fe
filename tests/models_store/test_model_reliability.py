"""Test calibration against a slow reference, for degenerate input, and the coverage of its interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models_store.reliability import LEAST_IN_A_BIN, MOST_BINS, calibration
from tests.extent import examples, some


def literal(confidence, right):
    """Compute expected calibration errors item by item, over bins of equal mass that split no ties, and of equal
    width.
    """
    n = len(confidence)
    count = min(MOST_BINS, max(1, n // LEAST_IN_A_BIN))
    mass, width = {}, {}
    for sure, came in zip(confidence, right, strict=True):
        below = sum(other < sure for other in confidence)
        middle = below + sum(other == sure for other in confidence) / 2
        mass.setdefault(int(middle * count / n), []).append(sure - came)
        width.setdefault(min(int(sure * MOST_BINS), MOST_BINS - 1), []).append(sure - came)
    return [sum(abs(sum(gaps)) for gaps in bins.values()) / n for bins in (mass, width)]


chances = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
items = st.lists(st.tuples(chances, st.booleans()), min_size=1, max_size=120)


@settings(deadline=None, max_examples=examples(50))
@given(items)
def test_the_errors_are_those_of_the_literal_reference(values):
    confidence, right = (list(column) for column in zip(*values, strict=True))
    found = calibration(confidence, right)
    assert [found.ece, found.ece_equal_width] == pytest.approx(literal(confidence, right), abs=1e-9)
    assert found.brier == pytest.approx(np.mean([(sure - came) ** 2 for sure, came in values]))
    assert (found.sure, found.right) == pytest.approx((np.mean(confidence), np.mean(right)))


@settings(deadline=None, max_examples=examples(30))
@given(items, st.randoms())
def test_it_is_a_matter_of_the_items_and_not_of_their_order(values, random):
    shuffled = random.sample(values, len(values))
    one, other = (calibration(*zip(*order, strict=True)) for order in (values, shuffled))
    assert [one.ece, one.low, one.high, one.chance] == pytest.approx([other.ece, other.low, other.high, other.chance])
    assert 0 <= one.low <= one.high <= 1
    assert sum(part.n for part in one.bins) == one.n == len(values)
    assert [part.low for part in one.bins] == sorted(part.low for part in one.bins)
    assert all(part.low <= part.sure + 1e-9 and part.sure <= part.high + 1e-9 for part in one.bins)


@pytest.mark.parametrize(("n", "gap"), some([(60, 0.15), (3000, 0.0), (60, 0.0), (400, 0.05), (3000, 0.15)]))
def test_the_interval_covers_the_true_error(n, gap):
    """The model is overconfident by `gap` at every confidence."""
    covered = by_chance = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        said = 0.3 + 0.7 * rng.beta(4, 1, n)
        found = calibration(said, rng.random(n) < said - gap)
        covered += found.low <= gap + 1e-9 <= found.high + 2e-9
        by_chance += found.ece <= found.chance
    assert covered >= 0.87 * 60
    assert gap or by_chance >= 0.87 * 60


def test_perfect_certainty_and_a_single_item():
    sure = calibration([1.0] * 40, [True] * 40)
    assert (sure.ece, sure.low, sure.high, sure.chance, sure.brier) == (0, 0, 0, 0, 0)
    one = calibration([0.5], [True])
    assert (one.n, one.ece, one.low, one.high) == (1, 0.5, 0, 1)
    assert calibration([], []) is None


@pytest.mark.parametrize(
    ("confidence", "right", "said"),
    [
        ([0.5, 1.5], [True, True], r"^confidence must lie in \[0, 1\] \(item 1\)$"),
        ([np.nan], [True], r"^confidence must lie in \[0, 1\] \(item 0\)$"),
        ([0.5], [True, False], "^confidence and right must be one value an item"),
        ([[0.5]], [[True]], "^confidence and right must be one value an item"),
        ([0.5], [1], "^right must be true or false, not int64$"),
    ],
)
def test_what_does_not_fit_is_refused(confidence, right, said):
    with pytest.raises(ValueError, match=said):
        calibration(confidence, right)
