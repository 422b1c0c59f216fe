"""Test picking by the name of a strategy."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from selector.candidates import sufficient_factor
from selector.cluster_margin import select
from selector.strategies import STRATEGIES, PoolArrays, pick, settle_factor
from tests.extent import examples

DOCUMENTED = Path(__file__).parents[2] / "docs/explanation/selection.md"
MARGINS = np.array([0.9, 0.1, 0.5, 0.1, 0.7, 0.3])
CLUSTERS = np.array([3, 3, 8, 8, 8, 1])
EMBEDDINGS = np.array([[0, 0], [4, 0], [0, 3], [4, 3], [9, 9], [1, 1]])
ERRORS = np.array([[1, -1], [2, -2], [0, 0], [-1, 1], [3, -3], [-2, 2]])


def pool_of(items=6, **changes):
    values = {
        "margins": MARGINS, "clusters": CLUSTERS, "entropies": 1 - MARGINS, "embeddings": EMBEDDINGS, "errors": ERRORS,
    }  # fmt: skip
    return PoolArrays(**({"size": items} | {name: array[:items] for name, array in values.items()} | changes))


def picked(strategy, pool=None, *, seed=0, batch_size=3, candidate_factor=2.0, rng=None):
    rng = rng or np.random.default_rng(seed)
    return pick(strategy, pool or pool_of(), batch_size=batch_size, candidate_factor=candidate_factor, rng=rng)


each = pytest.mark.parametrize("strategy", STRATEGIES)


def test_the_names_on_offer_are_those_of_the_documentation():
    table = DOCUMENTED.read_text().split("| strategy | takes |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE) == list(STRATEGIES)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown strategy 'best'; known: cluster-margin, margin, entropy"):
        picked("best")


@each
def test_each_looks_at_what_it_needs_and_at_nothing_else(strategy):
    everything = pool_of()
    pool = PoolArrays(size=6, **{name: getattr(everything, name) for name in STRATEGIES[strategy].needs})
    np.testing.assert_array_equal(picked(strategy, pool).indices, picked(strategy, everything).indices)


@pytest.mark.parametrize(
    ("strategy", "name"), [(each.name, name) for each in STRATEGIES.values() for name in each.needs]
)
def test_an_array_that_is_needed_and_missing_is_named(strategy, name):
    with pytest.raises(ValueError, match=f"^{name} must be given for the strategy '{strategy}'$"):
        picked(strategy, pool_of(**{name: None}))


@each
def test_a_candidate_factor_is_found_only_where_none_is_given_and_one_is_looked_at(strategy):
    assert settle_factor(strategy, pool_of(), batch_size=3, candidate_factor=2.5) == 2.5
    found = sufficient_factor(MARGINS, CLUSTERS, batch_size=3) if strategy == "cluster-margin" else None
    assert settle_factor(strategy, pool_of(), batch_size=3, candidate_factor=None) == found


def test_a_candidate_factor_cannot_be_found_without_clusters():
    with pytest.raises(ValueError, match=r"^margins and clusters must be given to find a candidate_factor$"):
        settle_factor("cluster-margin", pool_of(clusters=None), batch_size=3, candidate_factor=None)


def test_cluster_margin_is_select():
    rng = np.random.default_rng(5)
    expected = select(MARGINS, CLUSTERS, batch_size=3, candidate_factor=2.0, rng=rng)
    selection = picked("cluster-margin", seed=5)
    np.testing.assert_array_equal(selection.indices, expected.indices)
    np.testing.assert_array_equal(selection.passes, expected.passes)


@pytest.mark.parametrize("strategy", ["margin", "entropy"])
def test_margin_takes_the_smallest_in_order_and_entropy_the_largest(strategy):
    selection = picked(strategy, batch_size=4)
    assert sorted(selection.indices[:2].tolist()) == [1, 3]
    assert selection.indices[2:].tolist() == [5, 2]
    assert selection.passes.tolist() == [0, 0, 0, 0]
    assert selection.clusters.tolist() == CLUSTERS[selection.indices].tolist()
    assert dict(zip(selection.indices.tolist(), selection.cluster_sizes.tolist(), strict=True)) == {
        1: 1, 3: 2, 5: 1, 2: 2,
    }  # fmt: skip
    assert selection.candidates == 4


@pytest.mark.parametrize("strategy", ["margin", "entropy"])
def test_ties_are_broken_at_random_within_the_batch_and_at_its_edge(strategy):
    assert {picked(strategy, seed=seed).indices[0] for seed in range(50)} == {1, 3}
    assert {picked(strategy, seed=seed, batch_size=1).indices[0] for seed in range(50)} == {1, 3}


def test_uniform_takes_every_item_equally_often_in_every_place():
    counts = np.zeros((3, 6))
    for seed in range(3000):
        counts[np.arange(3), picked("uniform", seed=seed).indices] += 1
    assert (chisquare(counts, axis=1).pvalue > 1e-4).all()


@pytest.mark.parametrize("strategy", [each.name for each in STRATEGIES.values() if each.candidates == "pool"])
def test_they_say_what_the_whole_pool_holds(strategy):
    selection = picked(strategy, batch_size=6)
    assert sorted(selection.indices.tolist()) == list(range(6))
    assert selection.cluster_sizes.tolist() == [{3: 2, 8: 3, 1: 1}[name] for name in selection.clusters.tolist()]
    assert selection.passes.tolist() == [0] * 6
    assert selection.candidates == 6


def test_a_pool_without_clusters_is_one_cluster():
    selection = picked("uniform", PoolArrays(size=4))
    assert selection.clusters.tolist() == [0, 0, 0]
    assert selection.cluster_sizes.tolist() == [4, 4, 4]


@each
def test_the_same_seed_gives_the_same_batch_and_another_seed_another(strategy):
    pool = pool_of(embeddings=np.ones((6, 2)))
    batches = [tuple(picked(strategy, pool, seed=seed).indices.tolist()) for seed in range(20)]
    assert batches == [tuple(picked(strategy, pool, seed=seed).indices.tolist()) for seed in range(20)]
    assert len(set(batches)) > 1


@each
@pytest.mark.parametrize(("items", "batch_size", "expected"), [(6, 0, 0), (6, 6, 6), (6, 99, 6), (1, 1, 1), (0, 5, 0)])
def test_a_batch_is_never_more_than_the_pool(strategy, items, batch_size, expected):
    selection = picked(strategy, pool_of(items), batch_size=batch_size)
    assert len(set(selection.indices.tolist())) == expected
    assert {len(c) for c in (selection.passes, selection.clusters, selection.cluster_sizes)} == {expected}


few_values = st.sampled_from([0.0, 0.5, 1.0, -1.0]) | st.floats(-1e6, 1e6, width=32)


@st.composite
def any_pool(draw):
    n, d, e = draw(st.integers(0, 30)), draw(st.integers(0, 4)), draw(st.integers(1, 3))
    return PoolArrays(
        size=n,
        margins=draw(arrays("float32", n, elements=few_values)),
        clusters=draw(arrays("int32", n, elements=st.integers(-3, 3))),
        entropies=draw(arrays("float32", n, elements=few_values)),
        embeddings=draw(arrays("float32", (n, d), elements=few_values, fill=st.just(1.0))),
        errors=draw(arrays("float32", (n, e), elements=few_values, fill=st.just(0.0))),
    )


@settings(deadline=None, max_examples=examples(150))
@given(st.sampled_from(list(STRATEGIES)), any_pool(), st.integers(0, 40), st.integers(0, 2**32))
def test_exactly_the_batch_size_of_distinct_items_whatever_the_input(strategy, pool, batch_size, seed):
    batches = [picked(strategy, pool, batch_size=batch_size, seed=seed) for _ in range(2)]
    indices = batches[0].indices
    assert len(indices) == len(set(indices.tolist())) == min(batch_size, pool.size)
    assert set(indices.tolist()) <= set(range(pool.size))
    np.testing.assert_array_equal(indices, batches[1].indices)
    np.testing.assert_array_equal(batches[0].clusters, pool.clusters[indices])


@pytest.mark.parametrize(
    ("strategy", "changes", "message"),
    [
        ("margin", {"margins": np.full(6, np.nan)}, r"^margins must not be NaN \(item 0\)$"),
        ("cluster-margin", {"margins": np.full(6, np.nan)}, r"^margins must not be NaN \(item 0\)$"),
        ("entropy", {"entropies": [0, 1, np.nan, 0, 0, 0]}, r"^entropies must not be NaN \(item 2\)$"),
        ("entropy", {"entropies": ["a"] * 6}, "^entropies must be one real number an item"),
        (
            "coreset",
            {"embeddings": np.full((6, 2), np.inf)},
            r"^embeddings holds a value that is no number .*\(row 0\)$",
        ),
        ("coreset", {"embeddings": np.ones(6)}, "^embeddings must be a two-dimensional array"),
        (
            "coreset",
            {"centre_embeddings": np.ones((1, 3)), "errors": None},
            "^centre_embeddings must have 2 columns, not 3$",
        ),
        ("badge", {"errors": np.full((6, 2), np.nan)}, r"^errors holds a value that is no number .*\(row 0\)$"),
        ("badge", {"embeddings": np.full((6, 2), 1e30)}, "^embeddings holds a value that is no number or too large"),
        (
            "badge",
            {"centre_embeddings": np.ones((2, 2)), "centre_errors": np.ones((1, 2))},
            "^centre_errors must have 2 rows, not 1$",
        ),
        ("uniform", {"clusters": np.ones(6)}, "^clusters must be one whole number"),
    ],
)
def test_arrays_that_are_unfit_are_refused_by_name(strategy, changes, message):
    with pytest.raises(ValueError, match=message):
        picked(strategy, pool_of(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": -1}, "^size must be a whole number of at least 0"),
        ({"margins": [0.1]}, "^margins must have a row for each of 6 items"),
        ({"clusters": [0, 1]}, "^clusters must have a row for each of 6 items"),
        ({"embeddings": np.ones((2, 3))}, "^embeddings must have a row for each of 6 items"),
        ({"centre_embeddings": np.ones((1, 2))}, "^centre_embeddings and centre_errors must be given together"),
        ({"errors": 1.0}, "^errors must have a row for each of 6 items"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        pool_of(**changes)


@each
def test_other_arguments_are_refused_by_name(strategy):
    with pytest.raises(ValueError, match=r"^batch_size must be a whole number of at least 0, not -1$"):
        picked(strategy, batch_size=-1)
    with pytest.raises(ValueError, match=r"^rng must be a numpy\.random\.Generator"):
        picked(strategy, rng=7)


@each
def test_arguments_are_not_changed(strategy):
    pool = pool_of(centre_embeddings=np.ones((1, 2)), centre_errors=np.ones((1, 2)))
    before = {name: np.copy(getattr(pool, name)) for name in STRATEGIES["badge"].needs}
    for array in (pool.embeddings, pool.errors):
        array.flags.writeable = False
    picked(strategy, pool)
    for name, array in before.items():
        np.testing.assert_array_equal(array, getattr(pool, name))
