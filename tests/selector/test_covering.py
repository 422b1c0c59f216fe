"""Test covering against the definition: each pick is the one that adds the most coverage."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selector import covering as module
from selector.covering import NEAREST, covering
from tests.extent import examples


def similarity(points: np.ndarray) -> np.ndarray:
    squares = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    scale = np.median(np.sort(squares, axis=1)[:, min(NEAREST, len(points) - 1)])
    return np.exp(-squares / (2 * max(scale, 1e-30)))


@settings(deadline=None, max_examples=examples(25))
@given(n=st.integers(1, 70), d=st.integers(1, 4), count=st.integers(0, 80), seed=st.integers(0, 99))
@example(n=23, d=3, count=7, seed=87)  # two items add almost the same, and lead to different picks
def test_each_pick_adds_the_most(n, d, count, seed):
    points = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    picks = covering(points, count, np.random.default_rng(seed))
    assert len(picks) == len(set(picks.tolist())) == min(n, count)
    near, coverage = similarity(points.astype(np.float64)), np.zeros(n)
    for pick in picks:
        totals = np.maximum(near, coverage).sum(axis=1)
        assert totals[pick] >= totals.max() * (1 - 1e-5)
        coverage = np.maximum(coverage, near[pick])


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
