"""Test the number of candidates with which each item of a batch comes from another cluster."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.candidates import sufficient_factor
from selector.cluster_margin import select
from tests.extent import examples


def literal(margins, clusters, batch_size, most):
    """Take items from the smallest margin on, until there are enough clusters."""
    wanted = min(batch_size, len(margins))
    limit = round(min(most * wanted, len(margins)))
    seen = set()
    count = 0
    for item in sorted(range(len(margins)), key=lambda item: margins[item])[:limit]:
        count += 1
        seen.add(clusters[item])
        if len(seen) == wanted:
            break
    return count / wanted if wanted else 1.0


@st.composite
def pools(draw):
    n = draw(st.integers(0, 80))
    margins = draw(st.lists(st.integers(0, 12).map(lambda k: k / 12), min_size=n, max_size=n))
    clusters = draw(st.lists(st.integers(-2, draw(st.sampled_from([-2, 4, 60]))), min_size=n, max_size=n))
    return np.array(margins, np.float32), np.array(clusters, np.int64)


@settings(deadline=None, max_examples=examples(300))
@given(pools(), st.integers(0, 100), st.one_of(st.just(10.0), st.floats(1, 12)))
def test_it_equals_the_literal_reference(pool, batch_size, most):
    expected = literal(*(array.tolist() for array in pool), batch_size, most)
    assert sufficient_factor(*pool, batch_size=batch_size, most=most) == expected


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 200), st.integers(1, 40), st.integers(0, 2**32))
def test_each_item_then_comes_from_another_cluster_and_no_fewer_candidates_would_do(batch_size, n, clusters, seed):
    rng = np.random.default_rng(seed)
    margins, names = rng.permutation(n) / n, rng.integers(0, clusters, n)
    factor = sufficient_factor(margins, names, batch_size=batch_size, most=1000)
    picked = select(margins, names, batch_size=batch_size, candidate_factor=factor, rng=rng)
    wanted = min(batch_size, n)
    assert picked.candidates == round(factor * wanted)
    doubted = names[np.argsort(margins)]
    if len(np.unique(names)) >= wanted:
        assert len(set(picked.clusters.tolist())) == wanted
        assert len(np.unique(doubted[: picked.candidates - 1])) < wanted
    else:
        assert picked.candidates == n


def test_where_no_two_items_are_alike_it_is_plain_margin():
    margins = np.random.default_rng(1).random(1000)
    assert sufficient_factor(margins, np.arange(1000), batch_size=100) == 1


def test_copies_are_skipped():
    """With five copies of each item and equal margins, the first hundred clusters are in the first five hundred
    items.
    """
    margins, clusters = np.repeat(np.arange(300) / 300, 5), np.repeat(np.arange(300), 5)
    assert sufficient_factor(margins, clusters, batch_size=100) == (5 * 99 + 1) / 100
    assert sufficient_factor(margins, clusters, batch_size=100, most=2) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"margins": [0.1, np.nan]}, "^margins must not be NaN"),
        ({"clusters": [0.5, 1.0]}, "^clusters must be one whole number"),
        ({"batch_size": True}, "^batch_size must be a whole number"),
        ({"most": "2"}, "^most must be a finite number of at least 1, not '2'$"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, said):
    good = {"margins": [0.1, 0.2], "clusters": [0, 1], "batch_size": 1}
    with pytest.raises(ValueError, match=said):
        sufficient_factor(**(good | arguments))
