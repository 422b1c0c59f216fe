"""Test near-copies of picked items against a slow search by scipy's cophenetic heights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet
from scipy.spatial.distance import squareform

from selector.dendrogram import Dendrogram
from selector.near_copies import near_copies
from tests.extent import examples


def random_tree(n: int, levels: int, rng: np.random.Generator) -> Dendrogram:
    """Merge clusters at random; few different heights give many ties."""
    alive, merges = list(range(n)), []
    for merge in range(n - 1):
        one, other = sorted(rng.choice(len(alive), 2, replace=False))
        merges.append((alive[one], alive[other]))
        del alive[other], alive[one]
        alive.append(n + merge)
    heights = np.sort(rng.integers(0, levels, max(n - 1, 0))) / 4
    return Dendrogram(n, np.array(merges, np.int64).reshape(-1, 2), heights, "cosine")


def cophenetic_heights(tree: Dendrogram) -> np.ndarray:
    """Return (n, n) heights by scipy, which needs the size of each merged cluster as well."""
    if tree.size < 2:
        return np.zeros((tree.size, tree.size))
    sizes = np.ones(2 * tree.size - 1)
    for merge, parts in enumerate(tree.merges):
        sizes[tree.size + merge] = sizes[parts].sum()
    return squareform(cophenet(np.column_stack([tree.merges, tree.heights, sizes[tree.size :]]).astype(float)))


def slow_copies(tree, picked, free, radius, most):
    heights = cophenetic_heights(tree)
    kept = {place: [] for place in range(len(picked))}
    for item in np.flatnonzero(free):
        if item in picked or not len(picked):
            continue
        height, owner = min((heights[item, other], place) for place, other in enumerate(picked))
        if height <= radius:
            kept[owner].append((height, int(item)))
    return [(owner, item, height) for owner, copies in kept.items() for height, item in sorted(copies)[:most]]


@settings(max_examples=examples(300), deadline=None)
@given(
    n=st.integers(0, 40),
    levels=st.sampled_from([1, 2, 4, 200]),
    share_picked=st.sampled_from([0, 0.1, 0.5, 1]),
    share_free=st.sampled_from([0, 0.5, 1]),
    radius=st.one_of(st.sampled_from([-1.0, 0.0, np.inf]), st.integers(0, 8).map(lambda quarter: quarter / 4)),
    most=st.sampled_from([0, 1, 3, 100]),
    seed=st.integers(0, 2**32 - 1),
)
def test_copies_are_those_of_a_slow_search(n, levels, share_picked, share_free, radius, most, seed):
    rng = np.random.default_rng(seed)
    tree = random_tree(n, levels, rng)
    picked = rng.permutation(n)[: round(share_picked * n)]
    free = rng.random(n) < share_free
    copies = near_copies(tree, picked, free, radius=radius, most=most)
    rows = list(zip(*(column.tolist() for column in copies), strict=True))
    assert rows == slow_copies(tree, picked, free, radius, most)
    assert [column.dtype for column in copies] == [np.int64, np.int64, np.float64]


def by_hand() -> Dendrogram:
    """Merge items 0 and 1 at height 1, items 2 and 3 at 2, these four at 2 as well, and item 4 at 3."""
    merges = np.array([[0, 1], [2, 3], [5, 6], [4, 7]])
    return Dendrogram(5, merges, np.array([1.0, 2, 2, 3]), "cosine")


@pytest.mark.parametrize(
    ("picked", "radius", "most", "rows"),
    [
        ([0], 3, 9, [(0, 1, 1), (0, 2, 2), (0, 3, 2), (0, 4, 3)]),
        ([0], 2, 2, [(0, 1, 1), (0, 2, 2)]),
        ([0], 1.9, 9, [(0, 1, 1)]),
        ([0, 2], 2, 9, [(0, 1, 1), (0, 3, 2)]),  # item 3 merges with 2 and with 0 at the same height
        ([2, 0], 2, 9, [(0, 3, 2), (1, 1, 1)]),
        ([4], 9, 9, [(0, 0, 3), (0, 1, 3), (0, 2, 3), (0, 3, 3)]),
    ],
)
def test_by_hand(picked, radius, most, rows):
    copies = near_copies(by_hand(), np.array(picked), np.ones(5, bool), radius=radius, most=most)
    assert list(zip(*(column.tolist() for column in copies), strict=True)) == rows


def test_a_long_chain_is_no_trouble():
    n = 100_000
    merges = np.column_stack([np.r_[0, n + np.arange(n - 2)], np.arange(1, n)])
    chain = Dendrogram(n, merges, np.arange(n - 1.0), "cosine")
    copies = near_copies(chain, np.array([n // 2]), np.ones(n, bool), radius=np.inf, most=n)
    assert len(copies.items) == n - 1


def test_arguments_stay_as_they_are():
    picked, free = np.array([0]), np.ones(5, bool)
    near_copies(by_hand(), picked, free, radius=3, most=9)
    assert picked.tolist() == [0]
    assert free.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picked": np.array([5])}, "picked must lie in 0 … 4, not 5 … 5"),
        ({"picked": np.array([-1])}, "picked must lie in 0 … 4"),
        ({"picked": np.array([1, 1])}, "picked must name no item twice"),
        ({"picked": np.array([1.0])}, "picked must be whole numbers in one row"),
        ({"picked": np.array([[1]])}, "picked must be whole numbers in one row"),
        ({"free": np.ones(4, bool)}, "free must be one truth value for each of 5 items"),
        ({"free": np.ones(5)}, "free must be one truth value for each of 5 items"),
        ({"radius": np.nan}, "radius must be a number"),
        ({"most": -1}, "most must be a whole number of at least 0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_line(change, message):
    arguments = {"picked": np.array([0]), "free": np.ones(5, bool), "radius": 1.0, "most": 3} | change
    with pytest.raises(ValueError, match=message) as refusal:
        near_copies(by_hand(), **arguments)
    assert "\n" not in str(refusal.value)
