"""Picking by name."""

import numpy as np
import pytest
from scipy.stats import chisquare

from selector.cluster_margin import select
from selector.strategies import STRATEGIES, pick

MARGINS = np.array([0.9, 0.1, 0.5, 0.1, 0.7, 0.3])
CLUSTERS = np.array([3, 3, 8, 8, 8, 1])


def picked(strategy, *, seed=0, margins=MARGINS, clusters=CLUSTERS, batch_size=3, candidate_factor=2.0):
    return pick(
        strategy,
        margins=margins,
        clusters=clusters,
        batch_size=batch_size,
        candidate_factor=candidate_factor,
        rng=np.random.default_rng(seed),
    )


def test_the_names_on_offer():
    assert STRATEGIES == ("cluster-margin", "margin", "uniform")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown strategy 'best'; known: cluster-margin, margin, uniform"):
        picked("best")


def test_cluster_margin_is_select():
    rng = np.random.default_rng(5)
    expected = select(MARGINS, CLUSTERS, batch_size=3, candidate_factor=2.0, rng=rng)
    selection = picked("cluster-margin", seed=5)
    np.testing.assert_array_equal(selection.indices, expected.indices)
    np.testing.assert_array_equal(selection.passes, expected.passes)


def test_margin_takes_the_smallest_in_order():
    selection = picked("margin", batch_size=4)
    assert sorted(selection.indices[:2].tolist()) == [1, 3]
    assert selection.indices[2:].tolist() == [5, 2]
    assert selection.passes.tolist() == [0, 0, 0, 0]
    assert selection.clusters.tolist() == CLUSTERS[selection.indices].tolist()
    assert dict(zip(selection.indices.tolist(), selection.cluster_sizes.tolist(), strict=True)) == {
        1: 1, 3: 2, 5: 1, 2: 2,
    }  # fmt: skip
    assert selection.candidates == 4


def test_margin_breaks_ties_at_random_within_the_batch_and_at_its_edge():
    assert {picked("margin", seed=seed).indices[0] for seed in range(50)} == {1, 3}
    assert {picked("margin", seed=seed, batch_size=1).indices[0] for seed in range(50)} == {1, 3}


def test_uniform_takes_every_item_equally_often_in_every_place():
    counts = np.zeros((3, 6))
    for seed in range(3000):
        counts[np.arange(3), picked("uniform", seed=seed).indices] += 1
    assert (chisquare(counts, axis=1).pvalue > 1e-4).all()


def test_uniform_says_what_the_whole_pool_holds():
    selection = picked("uniform", batch_size=6)
    assert sorted(selection.indices.tolist()) == list(range(6))
    assert selection.cluster_sizes.tolist() == [{3: 2, 8: 3, 1: 1}[name] for name in selection.clusters.tolist()]
    assert selection.passes.tolist() == [0] * 6
    assert selection.candidates == 6


def test_uniform_needs_no_model():
    selection = picked("uniform", margins=np.full(6, np.nan))
    np.testing.assert_array_equal(selection.indices, picked("uniform").indices)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_batch_and_another_seed_another(strategy):
    batches = [tuple(picked(strategy, seed=seed).indices.tolist()) for seed in range(20)]
    assert batches == [tuple(picked(strategy, seed=seed).indices.tolist()) for seed in range(20)]
    assert len(set(batches)) > 1


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("items", "batch_size", "expected"), [(6, 0, 0), (6, 6, 6), (6, 99, 6), (0, 5, 0)])
def test_a_batch_is_never_more_than_the_pool(strategy, items, batch_size, expected):
    selection = picked(strategy, margins=MARGINS[:items], clusters=CLUSTERS[:items], batch_size=batch_size)
    assert len(set(selection.indices.tolist())) == expected
    assert {len(c) for c in (selection.passes, selection.clusters, selection.cluster_sizes)} == {expected}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margins": [[0.1]]}, "^margins"),
        ({"clusters": [0, 1]}, "^clusters"),
        ({"batch_size": -1}, "^batch_size"),
    ],
)
def test_other_input_is_refused_by_the_name_of_the_argument(strategy, changes, message):
    with pytest.raises(ValueError, match=message):
        picked(strategy, **changes)


@pytest.mark.parametrize("strategy", ["cluster-margin", "margin"])
def test_margins_that_are_no_numbers_are_refused_where_they_count(strategy):
    with pytest.raises(ValueError, match="margins must not be NaN"):
        picked(strategy, margins=np.full(6, np.nan))
