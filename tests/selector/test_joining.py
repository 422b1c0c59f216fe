"""Test that new items join the clusters of their nearest old items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from selector import joining
from selector.joining import nearest
from selector.vectors import METRICS


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_it_finds_the_row_at_least_distance(metric, dtype):
    rng = np.random.default_rng(0)
    new, old = (rng.normal(size=(n, 9)).astype(dtype) for n in (70, 200))
    expected = cdist(new.astype("float64"), old.astype("float64"), metric).argmin(axis=1)
    found = nearest(new, old, metric=metric)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(nearest(old[::-1], old, metric=metric), np.arange(200)[::-1])
    assert nearest(old[:0], old, metric=metric).tolist() == nearest(old[:0], old[:0], metric=metric).tolist() == []


@settings(deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    blocks=st.tuples(st.integers(1, 21), st.integers(1, 21)),
    metric=st.sampled_from(METRICS),
    seed=st.integers(0, 1000),
)
def test_the_blocks_do_not_show_in_the_result(sizes, blocks, metric, seed):
    rng = np.random.default_rng(seed)
    new, old = (rng.normal(size=(n, 3)) for n in sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_NEW_ROWS", blocks[0])
        patch.setattr(joining, "_OLD_ROWS", blocks[1])
        found = nearest(new, old, metric=metric)
    np.testing.assert_array_equal(found, cdist(new, old, metric).argmin(axis=1))


def test_a_zero_row_joins_a_zero_row():
    assert nearest([[0.0, 0.0]], [[1, 0], [0, 0], [0, 1]]).tolist() == [1]
    assert nearest([[0.0, 0.0]], [[-1.0, 0.0]]).tolist() == [0]


def test_squared_euclidean_keeps_its_digits_far_from_the_origin():
    rng = np.random.default_rng(2)
    new, old = (rng.integers(-50, 50, size=(n, 5)).astype(float) for n in (40, 90))
    found = nearest(new + 1e9, old + 1e9, metric="sqeuclidean")
    distances = cdist(new, old, "sqeuclidean")
    np.testing.assert_array_equal(distances[np.arange(40), found], distances.min(axis=1))


def test_memory_maps_are_read_and_nothing_is_changed(tmp_path):
    arrays = [np.random.default_rng(n).normal(size=(n, 4)).astype("float16") for n in (5, 30)]
    for n, array in enumerate(arrays):
        np.save(tmp_path / f"{n}.npy", array)
    maps = [np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in (0, 1)]
    np.testing.assert_array_equal(nearest(*maps), nearest(*arrays))


@pytest.mark.parametrize(
    ("new", "old", "message"),
    [
        (np.ones((1, 3)), np.empty((0, 3)), "old must hold at least one row"),
        (np.ones((1, 3)), np.ones((2, 4)), "new has 3 columns and old has 4"),
        (np.ones(3), np.ones((2, 3)), "new must be a two-dimensional array"),
        (np.ones((1, 3)), [["a"]], "old must be a two-dimensional array"),
        ([[np.nan, 1]], np.ones((2, 2)), r"new holds a value that is not a finite number \(row 0\)"),
        (np.ones((1, 2)), [[1, 1], [1, np.inf]], r"old holds a value that is not a finite number \(row 1\)"),
    ],
)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", METRICS)
def test_other_input_is_refused(new, old, message, metric):
    with pytest.raises(ValueError, match=message):
        nearest(new, old, metric=metric)
    with pytest.raises(ValueError, match="unknown metric"):
        nearest(np.eye(2), np.eye(2), metric="manhattan")


def test_a_bad_row_beyond_the_first_block_is_named_by_its_place_in_the_whole(monkeypatch):
    monkeypatch.setattr(joining, "_OLD_ROWS", 4)
    old = np.ones((10, 2))
    old[9, 0] = np.nan
    with pytest.raises(ValueError, match="row 9"):
        nearest(np.ones((1, 2)), old)


@pytest.mark.parametrize("metric", METRICS)
def test_trees_find_a_row_that_is_nearest_or_hardly_farther(metric, monkeypatch):
    monkeypatch.setattr(joining, "_ALL_PAIRS", 0)
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(60, 12))
    new, old = (centres[rng.integers(60, size=n)] + 0.3 * rng.normal(size=(n, 12)) for n in (500, 3000))
    found = nearest(new, old, metric=metric)
    distances = cdist(new, old, metric)
    assert (found == distances.argmin(axis=1)).mean() > 0.97
    reached = distances[np.arange(500), found]
    assert np.quantile(reached / distances.min(axis=1), 0.99) < 1.2


def test_rows_that_no_tree_brings_together_with_old_ones_join_all_the_same(monkeypatch):
    monkeypatch.setattr(joining, "_ALL_PAIRS", 0)
    rng = np.random.default_rng(4)
    new, old = rng.normal(size=(1000, 4)) + 100, rng.normal(size=(1000, 4))
    found = nearest(new, old, metric="sqeuclidean")
    np.testing.assert_array_equal(found, cdist(new, old).argmin(axis=1))
