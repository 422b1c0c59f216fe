"""Test that every cluster is a stretch of the dendrogram's order, at any cut and in any sample."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.dendrogram import Dendrogram
from selector.leaves import in_line
from tests.extent import examples


def random_tree(n: int, seed: int) -> Dendrogram:
    """Merge clusters at random, into long chains and balanced trees."""
    rng = np.random.default_rng(seed)
    alive, merges = list(range(n)), []
    for merge in range(n - 1):
        one, other = sorted(rng.choice(len(alive), 2, replace=False))
        merges.append(sorted((alive[one], alive[other])))
        del alive[other], alive[one]
        alive.append(n + merge)
    return Dendrogram(n, np.array(merges, np.int64).reshape(-1, 2), np.sort(rng.random(max(n - 1, 0))), "cosine")


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = len(set(zip(one.tolist(), other.tolist(), strict=True)))
    return pairs == len(set(one.tolist())) == len(set(other.tolist()))


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(120), deadline=None)
def test_a_cut_of_the_line_is_the_cut_of_the_dendrogram(n: int, seed: int) -> None:
    tree = random_tree(n, seed)
    items, joined_by = in_line(tree)
    assert sorted(items.tolist()) == list(range(n))
    rng = np.random.default_rng(seed)
    for clusters in range(1, n + 1):
        parted = np.concatenate([[0], np.cumsum(joined_by >= n - clusters)])
        assert same_partition(parted, tree.cut(clusters=clusters)[items])
        # Of a sample, two neighbours are joined by the latest merge between them.
        places = np.sort(rng.choice(n, rng.integers(1, n + 1), replace=False))
        between = [joined_by[a:b].max() for a, b in pairwise(places)]
        of_sample = np.concatenate([[0], np.cumsum(np.array(between, np.int64) >= n - clusters)])
        assert same_partition(of_sample, tree.cut(clusters=clusters)[items[places]])


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_items(n: int) -> None:
    items, joined_by = in_line(random_tree(n, 0))
    assert (items.tolist(), joined_by.tolist()) == (list(range(n)), [])
