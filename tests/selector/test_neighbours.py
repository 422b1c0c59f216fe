"""Test the search for neighbours against a comparison of all pairs."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from selector import neighbours
from selector.compiled import Threads, parts
from selector.forest import LEAF, plant
from selector.neighbours import nearest_neighbours, search_trees
from tests.extent import ALL


def points_and_spread(m, d=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(m // 50 + 1, d))
    points = centres[rng.integers(0, len(centres), m)] + 0.3 * rng.normal(size=(m, d))
    return points.astype(np.float32), rng.random(m) * 0.05


def search(points, spread, count, seed=0, threads=None):
    with Threads(threads) as pool:
        return nearest_neighbours(points, spread, count, seed=seed, threads=pool)


def every_gap(points, spread):
    gaps = cdist(points.astype(float), points.astype(float), "sqeuclidean") / 2 + spread[:, None] + spread[None]
    np.fill_diagonal(gaps, np.inf)
    return gaps


def test_all_are_found_where_all_pairs_are_looked_at():
    points, spread = points_and_spread(1500)
    ids, gaps = search(points, spread, 12)
    expected = np.sort(every_gap(points, spread), axis=1)[:, :12]
    np.testing.assert_allclose(gaps, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(every_gap(points, spread), ids.astype(int), 1), gaps, rtol=1e-4)


def test_trees_find_nearly_all(monkeypatch):
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 1000)
    n = 6000 if ALL else 3000
    points, spread = points_and_spread(n)
    ids, gaps = search(points, spread, 12)
    every = every_gap(points, spread)
    truth = np.argpartition(every, 12, axis=1)[:, :12]
    found = np.mean([len(set(a) & set(b)) / 12 for a, b in zip(truth, ids, strict=True)])
    assert found > 0.97
    assert all(len(set(row)) == 12 for row in ids)
    assert (ids != np.arange(n)[:, None]).all()
    assert (np.diff(gaps, axis=1) >= 0).all()


def test_the_few_among_thousands_of_copies_find_each_other(monkeypatch):
    """Two random points are mostly copies of each other, which no plane separates."""
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 1000)
    rng = np.random.default_rng(0)
    pairs = np.repeat(rng.normal(size=(15, 8)), 2, axis=0) + 1e-3 * rng.normal(size=(30, 8))
    points = np.vstack([pairs, np.tile(rng.normal(size=8), (20_000, 1))]).astype(np.float32)
    ids, _ = search(points, np.zeros(len(points)), 4)
    assert (ids[:30, 0] == np.arange(30) ^ 1).all()


@pytest.mark.parametrize("limit", [1000, 20_000])
def test_the_number_of_threads_changes_nothing(limit, monkeypatch):
    monkeypatch.setattr(neighbours, "ALL_PAIRS", limit)
    points, spread = points_and_spread(5000)
    one, three = search(points, spread, 8, threads=1), search(points, spread, 8, threads=3)
    np.testing.assert_array_equal(one[0], three[0])
    np.testing.assert_array_equal(one[1], three[1])


@pytest.mark.parametrize("m", [LEAF + 1, 5000])
@pytest.mark.parametrize("kind", ["apart", "alike", "mostly alike"])
def test_each_point_is_in_one_leaf_and_no_leaf_is_too_large(m, kind):
    points, _ = points_and_spread(m)
    if kind != "apart":
        points[: m if kind == "alike" else m - 10] = 1
    order, starts = plant(points, LEAF, 7)
    assert sorted(order) == list(range(m))
    assert starts[0] == 0
    assert starts[-1] == m
    assert 0 < np.diff(starts).min() <= np.diff(starts).max() <= LEAF


@pytest.mark.parametrize(("length", "count"), [(0, 3), (2, 5), (10, 3), (9, 3)])
def test_parts_cover_everything_once(length, count):
    covered = [place for first, last in parts(length, count) for place in range(first, last)]
    assert covered == list(range(length))
    assert len(parts(length, count)) <= count


def test_the_first_points_refined_alone_have_the_lists_that_they_have_among_all():
    points = np.random.default_rng(8).normal(size=(3000, 6)).astype(np.float32)

    def lists(refined: int | None) -> tuple[np.ndarray, np.ndarray]:
        ids, gaps = np.full((3000, 5), -1, np.int32), np.full((3000, 5), np.inf, np.float32)
        with Threads(2) as pool:
            search_trees(points, np.zeros(3000, np.float32), ids, gaps, 3, pool, lambda share: None, refined=refined)
        return ids, gaps

    for one, other in zip(lists(400), lists(None), strict=True):
        np.testing.assert_array_equal(one[:400], other[:400])
        assert not np.array_equal(one, other), "the others were refined too"
