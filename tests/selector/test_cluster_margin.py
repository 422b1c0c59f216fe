"""Test Cluster-Margin against a literal reference, and by properties."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from selector.cluster_margin import select


def smallest(values, count, rng):
    """Return the positions of the `count` smallest values, ascending; `rng` draws among ties with the last."""
    if count == 0:
        return []
    edge = sorted(values)[count - 1]
    below = [position for position, value in enumerate(values) if value < edge]
    level = [position for position, value in enumerate(values) if value == edge]
    return sorted([*below, *rng.choice(level, count - len(below), replace=False, shuffle=False).tolist()])


def literal(margins, clusters, *, batch_size, candidate_factor, rng):
    """Run algorithm 2 with lists and loops, item by item, with the same draws of `rng` as `select`."""
    wanted = min(batch_size, len(margins))
    count = min(len(margins), max(wanted, round(candidate_factor * wanted)))
    candidates = list(range(count)) if count == len(margins) else smallest(margins, count, rng)
    groups = defaultdict(list)
    for item in candidates:
        groups[clusters[item]].append(item)
    names = sorted(groups)
    sizes = {name: len(group) for name, group in groups.items()}
    if len(names) > wanted:
        names = [names[place] for place in smallest([sizes[name] for name in names], wanted, rng)]
    names = [names[place] for place in rng.permutation(len(names))]
    visits = sorted(names, key=lambda name: sizes[name])

    numbers = iter(rng.random(wanted))
    drawn = []
    passes = 0
    while len(drawn) < wanted:
        for name in visits:
            left = groups[name]
            if left and len(drawn) < wanted:
                taken = int(next(numbers) * len(left))
                drawn.append((left[taken], passes, name, sizes[name]))
                left[taken] = left[-1]
                left.pop()
        passes += 1
    return drawn


def rows(selection):
    columns = (selection.indices, selection.passes, selection.clusters, selection.cluster_sizes)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@st.composite
def pools(draw):
    """Generate margins with many ties or none, and clusters with many members or few."""
    n = draw(st.integers(0, 80))
    margin = draw(st.sampled_from([st.floats(0, 1, width=32), st.integers(0, 3).map(lambda k: k / 4)]))
    cluster = st.integers(-3, draw(st.sampled_from([-3, 2, 100])))
    return (
        np.array(draw(st.lists(margin, min_size=n, max_size=n)), dtype="float32"),
        np.array(draw(st.lists(cluster, min_size=n, max_size=n)), dtype="int64"),
    )


settings_of_a_batch = {
    "pool": pools(),
    "batch_size": st.integers(0, 100),
    "candidate_factor": st.one_of(st.sampled_from([1, 1.25, 2, 10, 1e300]), st.floats(1, 20)),
    "seed": st.integers(0, 2**63),
}


def picked(pool, batch_size, candidate_factor, seed):
    rng = np.random.default_rng(seed)
    return select(*pool, batch_size=batch_size, candidate_factor=candidate_factor, rng=rng)


@settings(deadline=None, max_examples=120)
@given(**settings_of_a_batch)
@example(pool=(np.arange(5) / 5, np.array([0, 0, 1, 1, 1])), batch_size=6, candidate_factor=10, seed=0)
@example(pool=(np.arange(9) / 9, np.full(9, 4)), batch_size=3, candidate_factor=2, seed=0)
@example(pool=(np.zeros(0), np.zeros(0, int)), batch_size=5, candidate_factor=2, seed=0)
@example(pool=(np.zeros(4), np.zeros(4, int)), batch_size=0, candidate_factor=2, seed=0)
def test_it_equals_the_literal_reference_to_the_item(pool, batch_size, candidate_factor, seed):
    margins, clusters = (each.tolist() for each in pool)
    options = {"batch_size": batch_size, "candidate_factor": candidate_factor}
    selection = picked(pool, batch_size, candidate_factor, seed)
    assert rows(selection) == literal(margins, clusters, **options, rng=np.random.default_rng(seed))
    wanted = min(batch_size, len(margins))
    assert selection.candidates == min(len(margins), max(wanted, round(min(candidate_factor * wanted, len(margins)))))
    assert {column.dtype for column in (selection.indices, selection.passes, selection.clusters)} == {np.dtype("int64")}


def test_randomness_comes_from_the_generator_alone():
    np.random.seed(123)  # noqa: NPY002 (to see whether the picking touches it)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    pool = np.linspace(0, 1, 400), np.arange(400) % 40
    batches = [picked(pool, 50, 3, seed).indices.tolist() for seed in (1, 1, 2)]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert batches[0] == batches[1] != batches[2]


@settings(deadline=None)
@given(pool=pools(), seed=st.integers(0, 1000))
def test_the_names_of_the_clusters_do_not_matter_but_for_their_order(pool, seed):
    margins, clusters = pool
    plain = picked((margins, clusters), 20, 2, seed)
    renamed = picked((margins, clusters * 7 + 1000), 20, 2, seed)
    np.testing.assert_array_equal(plain.indices, renamed.indices)


@settings(deadline=None)
@given(pool=pools(), seed=st.integers(0, 1000), spread=st.sampled_from([1, 5, 1000, 10**15]))
def test_ids_of_clusters_may_be_any_whole_numbers(pool, seed, spread):
    margins, clusters = pool
    plain = picked((margins, clusters), 20, 2, seed)
    spread_out = picked((margins, clusters * spread - 2**61), 20, 2, seed)
    np.testing.assert_array_equal(plain.indices, spread_out.indices)
    np.testing.assert_array_equal(plain.clusters * spread - 2**61, spread_out.clusters)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_clusters_of_every_dtype_up_to_its_limits(dtype):
    least, most = np.iinfo(dtype).min, min(np.iinfo(dtype).max, 2**63 - 1)
    clusters = np.array([least, most, most, least, most - 1], dtype=dtype)
    selection = picked((np.arange(5), clusters), 5, 1, seed=0)
    assert selection.clusters.tolist() == clusters[selection.indices].astype("int64").tolist()
    assert selection.cluster_sizes.tolist() == [1, 2, 2, 2, 2]


def test_margins_may_be_infinite():
    margins = np.array([np.inf, -np.inf, 0, np.inf])
    assert sorted(picked((margins, np.arange(4)), 2, 1, seed=0).indices) == [1, 2]
    assert sorted(picked((margins, np.arange(4)), 4, 1, seed=0).indices) == [0, 1, 2, 3]


def test_when_all_candidates_are_taken_the_sizes_are_those_of_the_clusters():
    clusters = np.array([5, 5, 5, 9, 9, 2])
    selection = picked((np.arange(6.0), clusters), 6, 1, seed=0)
    assert Counter(zip(selection.clusters.tolist(), selection.cluster_sizes.tolist(), strict=True)) == {
        (5, 3): 3,
        (9, 2): 2,
        (2, 1): 1,
    }
    assert selection.passes.tolist() == [0, 0, 0, 1, 1, 2]


def counts_of_first_item(pool, batch_size, candidate_factor, column="indices", seeds=3000):
    firsts = (getattr(picked(pool, batch_size, candidate_factor, seed), column)[0] for seed in range(seeds))
    return Counter(int(first) for first in firsts)


def is_uniform(counts, values):
    """Test draws for uniformity at fixed seeds; a truly uniform draw fails for one in ten thousand seeds."""
    return set(counts) == set(values) and chisquare([counts[value] for value in values]).pvalue > 1e-4


def test_the_item_of_a_group_is_drawn_uniformly():
    counts = counts_of_first_item((np.linspace(0, 1, 8), np.zeros(8, dtype=int)), 1, 8)
    assert is_uniform(counts, range(8))


def test_ties_at_the_edge_of_the_candidates_are_broken_uniformly():
    margins = np.array([0.5] * 6 + [0.9] * 3)
    counts = counts_of_first_item((margins, np.arange(9)), 1, 1)
    assert is_uniform(counts, range(6))


def test_equal_groups_are_visited_in_uniformly_random_order():
    clusters = np.array([4, 4, 8, 8, 6, 6, 1, 1, 1])
    counts = counts_of_first_item((np.zeros(9), clusters), 1, 9, column="clusters")
    assert is_uniform(counts, [4, 6, 8])


def test_every_item_of_a_group_is_equally_likely_in_every_pass():
    clusters = np.array([0] * 4 + [1] * 6)
    counts = np.zeros((5, 10))
    for seed in range(3000):
        indices = picked((np.zeros(10), clusters), 5, 2, seed).indices
        counts[np.arange(5), indices] += 1
    for place, group in enumerate([slice(0, 4), slice(4, 10)] * 2 + [slice(0, 4)]):
        assert counts[place, group].sum() == 3000
        assert chisquare(counts[place, group]).pvalue > 1e-4


def test_two_items_of_a_group_are_drawn_independently():
    pairs = Counter(tuple(picked((np.zeros(4), np.zeros(4, int)), 2, 2, seed).indices.tolist()) for seed in range(3000))
    assert is_uniform(pairs, [(one, other) for one in range(4) for other in range(4) if one != other])


def test_of_too_many_groups_each_is_equally_likely_to_be_reached():
    counts = Counter()
    pool = np.zeros(9), np.repeat(np.arange(7), [1, 2, 1, 1, 1, 1, 2])
    for seed in range(1000):
        counts.update(picked(pool, 3, 3, seed).clusters.tolist())
    assert is_uniform(counts, [0, 2, 3, 4, 5])


def test_where_every_item_is_a_cluster_the_batch_is_a_uniform_draw_from_the_candidates():
    counts = Counter()
    for seed in range(1000):
        selection = picked((np.arange(9) / 9, np.arange(9)), 3, 2, seed)
        assert selection.passes.tolist() == [0, 0, 0]
        counts.update(selection.indices.tolist())
    assert is_uniform(counts, range(6))


def test_where_all_margins_are_equal_any_item_may_be_picked():
    pool = np.zeros(8), np.arange(8) % 3
    assert set().union(*(picked(pool, 2, 1, seed).indices.tolist() for seed in range(100))) == set(range(8))


def test_empty_lists_are_an_empty_pool():
    assert rows(picked(([], []), 3, 2, seed=0)) == []


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_margins_of_every_real_dtype(dtype):
    margins = np.array([3, 1, 2, 0], dtype=dtype)
    assert sorted(picked((margins, np.arange(4)), 2, 1, seed=0).indices) == [1, 3]


def test_arguments_are_not_changed():
    margins, clusters = np.array([0.3, 0.1, 0.2]), np.array([1, 1, 0])
    picked((margins, clusters), 2, 1, seed=0)
    assert margins.tolist() == [0.3, 0.1, 0.2]
    assert clusters.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margins": [0.1, np.nan, 0.3]}, r"^margins must not be NaN \(item 1\)$"),
        ({"margins": [[0.1, 0.2, 0.3]]}, "^margins must be one real number an item"),
        ({"margins": 0.5}, "^margins must be one real number an item"),
        ({"margins": ["a", "b", "c"]}, "^margins must be one real number an item"),
        ({"margins": [1j, 2, 3]}, "^margins must be one real number an item"),
        ({"clusters": [0, 1]}, "^clusters must be one whole number for each of 3 items"),
        ({"clusters": [[0], [1], [2]]}, "^clusters must be one whole number for each of 3 items"),
        ({"clusters": [0.0, 1.0, 2.0]}, "^clusters must be one whole number for each of 3 items"),
        ({"batch_size": -1}, "^batch_size must be a whole number of at least 0, not -1$"),
        ({"batch_size": 1.5}, "^batch_size must be a whole number of at least 0, not 1.5$"),
        ({"batch_size": None}, "^batch_size must be a whole number of at least 0, not None$"),
        ({"batch_size": True}, "^batch_size must be a whole number of at least 0, not True$"),
        ({"candidate_factor": "2"}, "^candidate_factor must be a finite number of at least 1, not '2'$"),
        ({"candidate_factor": 0.99}, "^candidate_factor must be a finite number of at least 1, not 0.99$"),
        ({"candidate_factor": np.nan}, "^candidate_factor must be a finite number of at least 1"),
        ({"candidate_factor": np.inf}, "^candidate_factor must be a finite number of at least 1"),
        ({"candidate_factor": None}, "^candidate_factor must be a finite number of at least 1"),
        ({"rng": 7}, "^rng must be a numpy.random.Generator, not int$"),
        ({"rng": np.random}, "^rng must be a numpy.random.Generator, not module$"),
    ],
)
def test_other_input_is_refused_by_the_name_of_the_argument(changes, message):
    good = {
        "margins": [0.1, 0.2, 0.3],
        "clusters": [0, 0, 1],
        "batch_size": 2,
        "candidate_factor": 1.25,
        "rng": np.random.default_rng(0),
    }
    with pytest.raises(ValueError, match=message):
        select(**(good | changes))
