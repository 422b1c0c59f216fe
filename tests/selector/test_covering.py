"""Test covering against the definition: each pick is the one that adds the most coverage."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selector import covering as module
from selector.covering import NEAREST, covering
from tests.extent import examples


def slowly(points: np.ndarray, candidates: np.ndarray, covered: np.ndarray, count: int) -> list[float]:
    """Return the coverage after each pick, by looking at every candidate each time."""
    squares = ((points[candidates][:, None] - points[covered][None]) ** 2).sum(axis=2)
    scale = np.median(np.sort(squares, axis=1)[:, min(NEAREST, len(covered) - 1)])
    near = np.exp(-squares / (2 * max(scale, 1e-30)))
    coverage, totals = np.zeros(len(covered)), []
    for _ in range(min(count, len(candidates))):
        coverage = max((np.maximum(coverage, row) for row in near), key=lambda covers: covers.sum())
        totals.append(coverage.sum())
    return totals


@settings(deadline=None, max_examples=examples(25))
@given(n=st.integers(1, 70), d=st.integers(1, 4), count=st.integers(0, 80), seed=st.integers(0, 99))
def test_each_pick_adds_the_most(n, d, count, seed):
    points = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    picks = covering(points, count, np.random.default_rng(seed))
    assert len(picks) == len(set(picks.tolist())) == min(n, count)
    expected = slowly(points, np.arange(n), np.arange(n), count)
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    scale = np.median(np.sort(squares, axis=1)[:, min(NEAREST, n - 1)])
    near = np.exp(-squares / (2 * max(scale, 1e-30)))
    for number, total in enumerate(expected, start=1):
        assert abs(near[picks[:number]].max(axis=0).sum() - total) <= 1e-3 * total


def test_each_of_several_groups_gets_a_pick_and_copies_one_only():
    rng = np.random.default_rng(1)
    centres = 20 * rng.normal(size=(8, 5))
    points = np.concatenate([centre + rng.normal(size=(50, 5)) for centre in centres]).astype(np.float32)
    assert sorted((covering(points, 8, rng) // 50).tolist()) == list(range(8))
    copies = np.repeat(centres.astype(np.float32), 30, axis=0)
    assert sorted((covering(copies, 8, rng) // 30).tolist()) == list(range(8))


def test_a_large_pool_is_sampled(monkeypatch):
    monkeypatch.setattr(module, "CANDIDATES", 40)
    monkeypatch.setattr(module, "COVERED", 20)
    points = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    picks = covering(points, 60, np.random.default_rng(0))
    assert len(picks) == 40
    assert picks.tolist() == covering(points, 60, np.random.default_rng(0)).tolist()
    assert picks.max() > 100
