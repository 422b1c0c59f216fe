"""Test that checks detect the mistakes of public implementations of Cluster-Margin.

Each check must accept our code, and reject a copy with one mistake.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist
from scipy.stats import chisquare

from selector.cluster_margin import Selection, select
from selector.linkage import average_linkage

# --- A readable copy, with one place for each mistake -------------------------------------------------------------


class Copy:
    """Cluster-Margin with lists and loops. The mistakes below each override one of its steps."""

    def __call__(self, margins, clusters, *, batch_size, candidate_factor, rng):
        rng = self.generator(rng)
        candidates = self.candidates(margins, round(candidate_factor * batch_size))
        groups = self.group(candidates, clusters)
        groups = {name: self.arrange(group, margins, rng) for name, group in groups.items()}
        visits = sorted(groups, key=lambda name: (self.size(name, groups, clusters), rng.random()))
        drawn = list(self.draw(visits, groups))[:batch_size]
        indices, passes, names = (np.array(column) for column in zip(*drawn, strict=True))
        sizes = np.array([len(groups[name]) for name in names])
        return Selection(indices, passes, names, sizes, len(candidates))

    def generator(self, rng):
        return rng

    def candidates(self, margins, count):
        return np.argsort(margins)[:count]

    def group(self, candidates, clusters):
        groups = {}
        for item in candidates:
            groups.setdefault(clusters[item], []).append(item)
        return groups

    def arrange(self, group, margins, rng):
        return list(rng.permutation(group))

    def size(self, name, groups, clusters):
        return len(groups[name])

    def draw(self, visits, groups):
        for number in range(max(map(len, groups.values()))):
            for name in visits:
                if number < len(groups[name]):
                    yield groups[name][number], number, name


class PositionInTheRanking(Copy):
    def group(self, candidates, clusters):
        groups = {}
        for position, item in enumerate(candidates):
            groups.setdefault(clusters[position], []).append(item)
        return groups


class NoCandidateFilter(Copy):
    def candidates(self, margins, count):
        return np.arange(len(margins))


class LowestMarginOfTheGroup(Copy):
    def arrange(self, group, margins, rng):
        return sorted(group, key=lambda item: margins[item])


class DrainTheSmallestFirst(Copy):
    def draw(self, visits, groups):
        for name in visits:
            for number, item in enumerate(groups[name]):
                yield item, number, name


class SizeInThePool(Copy):
    def size(self, name, groups, clusters):
        return np.count_nonzero(clusters == name)


class OneListForAll(Copy):
    def group(self, candidates, clusters):
        groups = dict.fromkeys(clusters[candidates], [])  # noqa: RUF024 (the mistake)
        for item in candidates:
            groups[clusters[item]].append(item)
        return groups


class ReseededInside(Copy):
    def generator(self, rng):
        np.random.seed(0)  # noqa: NPY002 (the mistake)
        return np.random.mtrand._rand


# --- Checks of a batch --------------------------------------------------------------------------------------------


def pool(n=400, clusters=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random(n), rng.integers(clusters, size=n)


def batch(pick, margins, clusters, *, batch_size=50, candidate_factor=3.0, seed=0):
    return pick(
        margins,
        clusters,
        batch_size=batch_size,
        candidate_factor=candidate_factor,
        rng=np.random.default_rng(seed),
    )


def clusters_are_those_of_the_items(pick):
    margins, clusters = pool()
    selection = batch(pick, margins, clusters)
    np.testing.assert_array_equal(selection.clusters, clusters[selection.indices])
    first = clusters[selection.indices[selection.passes == 0]]
    assert len(set(first)) == len(first)


def items_are_among_the_smallest_margins(pick):
    margins, clusters = pool()
    selection = batch(pick, margins, clusters)
    assert set(selection.indices) <= set(np.argsort(margins)[:150])


def any_candidate_of_a_group_may_come_first(pick):
    margins, clusters = np.linspace(0, 1, 5), np.zeros(5, dtype=int)
    firsts = [
        batch(pick, margins, clusters, batch_size=1, candidate_factor=5, seed=seed).indices[0] for seed in range(1000)
    ]
    assert chisquare(np.bincount(firsts, minlength=5)).pvalue > 1e-4


def each_pass_takes_one_item_of_each_group(pick):
    margins, clusters = np.linspace(0, 1, 12), np.repeat([0, 1, 2], [2, 4, 6])
    selection = batch(pick, margins, clusters, batch_size=9, candidate_factor=12 / 9)
    assert clusters[selection.indices].tolist() == [0, 1, 2, 0, 1, 2, 1, 2, 1]


def smallest_means_smallest_among_the_candidates(pick):
    # Cluster 0 is the largest in the pool, and has one candidate; cluster 1 has all its three among them.
    margins, clusters = np.array([0.1, 0.2, 0.3, 0.4, *[0.9] * 9]), np.array([0, 1, 1, 1, *[0] * 9])
    selection = batch(pick, margins, clusters, batch_size=2, candidate_factor=2)
    assert clusters[selection.indices].tolist() == [0, 1]


def no_item_is_drawn_twice(pick):
    selection = batch(pick, *pool())
    assert len(set(selection.indices.tolist())) == 50


def randomness_comes_from_the_generator_alone(pick):
    np.random.seed(123)  # noqa: NPY002 (to see whether the picking touches it)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    batches = [tuple(batch(pick, *pool(), seed=seed).indices) for seed in (1, 1, 2)]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert batches[0] == batches[1] != batches[2]


# --- Mistakes and checks of the clustering and of whole rounds ----------------------------------------------------


def ours_cut(embeddings, mean_cluster_size):
    return average_linkage(embeddings, metric="sqeuclidean").cut(mean_cluster_size=mean_cluster_size)


def ward_cut(embeddings, mean_cluster_size):
    merges = hierarchy.linkage(embeddings, method="ward")
    return hierarchy.cut_tree(merges, n_clusters=round(len(embeddings) / mean_cluster_size)).ravel()


def twenty_clusters(embeddings, mean_cluster_size):
    return average_linkage(embeddings, metric="sqeuclidean").cut(clusters=20)


def linkage_is_average(cut):
    """Ward's linkage splits a large cluster to balance sizes; average linkage keeps it and separates the few far
    items.
    """
    rng = np.random.default_rng(0)
    embeddings = np.vstack([rng.normal(size=(300, 2)), [[9.0, 0]], [[0, 9.0]]])
    expected = hierarchy.linkage(pdist(embeddings, "sqeuclidean"), method="average")
    for clusters in (2, 3, 10, 50):
        labels = cut(embeddings, len(embeddings) / clusters)
        theirs = hierarchy.cut_tree(expected, n_clusters=clusters).ravel()
        assert len(set(zip(labels, theirs, strict=True))) == clusters == len(set(labels))


def clusters_keep_their_size_as_the_pool_grows(cut):
    for n in (100, 200, 700):
        labels = cut(np.random.default_rng(n).normal(size=(n, 4)), 10)
        assert n / len(set(labels)) == 10


def ours_rounds(embeddings, margins_of_rounds, seed):
    clusters = average_linkage(embeddings).cut(mean_cluster_size=5)
    rng = np.random.default_rng(seed)
    return [select(margins, clusters, batch_size=20, candidate_factor=3, rng=rng) for margins in margins_of_rounds]


def rounds_that_cluster_the_candidates(embeddings, margins_of_rounds, seed):
    rng = np.random.default_rng(seed)
    selections = []
    for margins in margins_of_rounds:
        candidates = np.argsort(margins)[:60]
        clusters = np.full(len(margins), -1)
        clusters[candidates] = average_linkage(embeddings[candidates]).cut(mean_cluster_size=5)
        selections.append(select(margins, clusters, batch_size=20, candidate_factor=3, rng=rng))
    return selections


def an_item_is_in_one_cluster_whatever_the_round(rounds):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(200, 6))
    expected = average_linkage(embeddings).cut(mean_cluster_size=5)
    for selection in rounds(embeddings, rng.random((3, 200)), seed=0):
        np.testing.assert_array_equal(selection.clusters, expected[selection.indices])


# --- The table ----------------------------------------------------------------------------------------------------


class Turn(NamedTuple):
    name: str
    check: Callable
    ours: Callable
    wrong: Callable


TURNS = [
    Turn("position in the ranking", clusters_are_those_of_the_items, select, PositionInTheRanking()),
    Turn("Ward linkage", linkage_is_average, ours_cut, ward_cut),
    Turn("fixed number of clusters", clusters_keep_their_size_as_the_pool_grows, ours_cut, twenty_clusters),
    Turn("no candidate filter", items_are_among_the_smallest_margins, select, NoCandidateFilter()),
    Turn(
        "clustering the candidates anew",
        an_item_is_in_one_cluster_whatever_the_round,
        ours_rounds,
        rounds_that_cluster_the_candidates,
    ),
    Turn("lowest margin of the group", any_candidate_of_a_group_may_come_first, select, LowestMarginOfTheGroup()),
    Turn("draining a cluster", each_pass_takes_one_item_of_each_group, select, DrainTheSmallestFirst()),
    Turn("size in the pool", smallest_means_smallest_among_the_candidates, select, SizeInThePool()),
    Turn("one list for every group", no_item_is_drawn_twice, select, OneListForAll()),
    Turn("reseeded inside", randomness_comes_from_the_generator_alone, select, ReseededInside()),
]
each_turn = pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.name)


@each_turn
def test_we_do_not_take_the_wrong_turn(turn):
    turn.check(turn.ours)


@each_turn
def test_the_check_rejects_a_copy_that_does(turn):
    with pytest.raises(AssertionError):
        turn.check(turn.wrong)


@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn.ours is select], ids=lambda turn: turn.name)
def test_the_check_accepts_the_copy_without_the_mistake(turn):
    """So the check rejects the mistake, and not the copy's style."""
    turn.check(Copy())
