"""Test the comparison of two models against slow references and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_store import contrast

WORDS = st.integers(0, 4)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=60))
def test_counts_are_those_of_a_loop(items: list[tuple[int, int, int]]) -> None:
    truth, a, b = (np.array(each) for each in zip(*items, strict=True))
    found = contrast.by_class(truth, a, b, 5)
    for k in range(5):
        assert found.truth[k] == sum(t == k for t, _, _ in items)
        assert found.predicted_a[k] == sum(x == k for _, x, _ in items)
        assert found.predicted_b[k] == sum(y == k for _, _, y in items)
        assert found.correct_a[k] == sum(t == x == k for t, x, _ in items)
        assert found.correct_b[k] == sum(t == y == k for t, _, y in items)
    same = contrast.by_class(truth, a, a, 5)
    assert not same.recall_differs.any()
    assert not same.precision_differs.any()


@given(st.lists(st.floats(0, 1), max_size=30))
def test_discoveries_are_those_of_the_rule_as_it_is_written(chances: list[float]) -> None:
    m, ordered = len(chances), sorted(chances)
    last = max((k for k in range(1, m + 1) if ordered[k - 1] <= 0.05 * k / m), default=0)
    found = contrast.more_than_noise(chances)
    assert found.sum() == last
    assert all(p <= ordered[last - 1] for p, is_one in zip(chances, found, strict=True) if is_one)


@pytest.mark.parametrize("n", [30, 100, 400])
@pytest.mark.parametrize(("up", "down"), [(0.05, 0.05), (0.1, 0.02), (0.3, 0.2), (0.02, 0.0)])
def test_the_interval_of_a_difference_covers_it(n: int, up: float, down: float) -> None:
    rng = np.random.default_rng(5)
    counts = rng.multinomial(n, [up, down, 1 - up - down], size=3000)
    found = [contrast.difference(n, int(gained), int(lost)) for gained, lost, _ in counts]
    covered = np.mean([each.low <= up - down <= each.high for each in found])
    assert covered >= 0.93


def test_it_refuses_counts_that_do_not_fit() -> None:
    for counts in ((0, 0, 0), (5, 4, 2), (5, -1, 0)):
        with pytest.raises(ValueError, match="no comparison"):
            contrast.difference(*counts)


def drawn(rng: np.random.Generator, n: int, better: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw predictions of ten classes: both models are right on 80 %, independently; b also on `better` of class 0."""
    truth = rng.integers(0, 10, n)
    a, b = (np.where(rng.random(n) < 0.8, truth, rng.integers(0, 10, n)) for _ in range(2))
    return truth, a, np.where((truth == 0) & (rng.random(n) < better), truth, b)


def test_two_models_that_are_equally_good_are_seldom_called_different() -> None:
    rng = np.random.default_rng(1)
    found = [contrast.by_class(*drawn(rng, 600, 0.0), 10) for _ in range(400)]
    called = np.mean([(each.recall_differs | each.precision_differs).any() for each in found])
    assert called <= 0.07


def test_a_class_that_became_better_is_found() -> None:
    rng = np.random.default_rng(2)
    found = [contrast.by_class(*drawn(rng, 2000, 0.9), 10) for _ in range(50)]
    assert np.mean([each.recall_differs[0] for each in found]) > 0.9
    assert np.mean([each.recall_differs[1:].mean() for each in found]) < 0.02


def test_the_test_of_precisions_agrees_with_a_permutation() -> None:
    """The reference is a permutation test, which exchanges the two models' answers to an item."""
    rng = np.random.default_rng(3)
    truth, a, b = drawn(rng, 500, 0.6)
    k = 3
    b = np.where((truth == k) & (rng.random(500) < 0.5), (k + 1) % 10, b)

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return (truth[one == k] == k).mean() - (truth[other == k] == k).mean()

    swaps = rng.random((2000, 500)) < 0.5
    permuted = np.array([apart(np.where(swap, b, a), np.where(swap, a, b)) for swap in swaps])
    expected = float(np.mean(np.abs(permuted) >= abs(apart(a, b)) - 1e-12))
    found = contrast.precision_chance(
        int((a == k).sum()),
        int(((a == k) & (truth == k)).sum()),
        int((b == k).sum()),
        int(((b == k) & (truth == k)).sum()),
        int(((a == k) & (b == k) & (truth == k)).sum()),
        int(((a == k) & (b == k) & (truth != k)).sum()),
    )
    assert found == pytest.approx(expected, abs=0.06)


def test_precisions_without_anything_to_tell() -> None:
    assert contrast.precision_chance(0, 0, 5, 3, 0, 0) == 1
    assert contrast.precision_chance(5, 3, 5, 3, 3, 2) == 1
