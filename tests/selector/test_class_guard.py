"""Test the limit on the items of one class in a batch."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.class_guard import limit, pick_guarded
from selector.strategies import STRATEGIES, PoolArrays, pick
from tests.extent import examples


def pool_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return PoolArrays(
        size=n,
        margins=rng.random(n).round(1),
        clusters=rng.integers(5, size=n),
        entropies=rng.random(n),
        embeddings=rng.normal(size=(n, 3)),
        errors=rng.normal(size=(n, 2)),
        centre_embeddings=rng.normal(size=(2, 3)),
        centre_errors=rng.normal(size=(2, 2)),
    )


def guarded(strategy, pool, classes, *, n_classes, class_guard, batch_size, seed=0):
    return pick_guarded(
        strategy,
        pool,
        classes=classes,
        n_classes=n_classes,
        class_guard=class_guard,
        batch_size=batch_size,
        candidate_factor=1.5,
        rng=np.random.default_rng(seed),
    )


def literal_by_margin(margins, classes, batch_size, most):
    """Return the guarded picks of "margin" without ties: in order, skipping full classes."""
    counts, chosen, order = Counter(), [], np.argsort(margins).tolist()
    for item in order:
        if counts[classes[item]] < most and len(chosen) < batch_size:
            counts[classes[item]] += 1
            chosen.append(item)
    return chosen + [item for item in order if item not in chosen][: batch_size - len(chosen)]


@settings(deadline=None, max_examples=examples(150))
@given(st.lists(st.integers(0, 4), max_size=40), st.integers(0, 45), st.floats(1, 5), st.integers(0, 1000))
def test_by_margin_it_goes_down_the_list_and_skips_full_classes(classes, batch_size, class_guard, seed):
    margins = np.random.default_rng(seed).permutation(len(classes)).astype(float)
    pool = PoolArrays(size=len(classes), margins=margins)
    chosen = guarded("margin", pool, classes, n_classes=5, class_guard=class_guard, batch_size=batch_size).indices
    wanted = min(batch_size, len(classes))
    expected = literal_by_margin(margins, classes, wanted, limit(wanted, 5, class_guard))
    assert sorted(chosen.tolist()) == sorted(expected)


@settings(deadline=None, max_examples=examples(200))
@given(
    st.sampled_from(list(STRATEGIES)),
    st.lists(st.integers(0, 3), max_size=40),
    st.integers(0, 45),
    st.floats(1, 4),
    st.integers(0, 1000),
)
def test_no_class_has_more_than_its_limit_as_long_as_there_are_others(strategy, classes, batch_size, guard, seed):
    pool = pool_of(len(classes), seed)
    batches = [
        guarded(strategy, pool, classes, n_classes=4, class_guard=guard, batch_size=batch_size, seed=seed)
        for _ in range(2)
    ]
    chosen = batches[0].indices.tolist()
    wanted = min(batch_size, len(classes))
    assert len(chosen) == len(set(chosen)) == wanted
    assert batches[1].indices.tolist() == chosen
    most = limit(wanted, 4, guard)
    available = Counter(classes)
    within = sum(min(available[name], most) for name in available)
    counts = Counter(classes[item] for item in chosen)
    assert sum(max(0, counts[name] - most) for name in counts) == max(0, wanted - within)
    assert (np.diff(batches[0].passes) >= 0).all()
    np.testing.assert_array_equal(batches[0].clusters, pool.clusters[batches[0].indices])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_guard_that_stops_nothing_changes_nothing(strategy):
    pool = pool_of(40)
    classes = np.arange(40) % 4
    plain = pick(strategy, pool, batch_size=10, candidate_factor=1.5, rng=np.random.default_rng(1))
    over = guarded(strategy, pool, classes, n_classes=4, class_guard=4, batch_size=10, seed=1)
    np.testing.assert_array_equal(over.indices, plain.indices)
    np.testing.assert_array_equal(over.passes, plain.passes)
    assert over.candidates == plain.candidates


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_kept_is_the_front_of_the_draw_order(strategy):
    pool = pool_of(40)
    classes = np.repeat([0, 1], [36, 4])
    plain = pick(strategy, pool, batch_size=10, candidate_factor=1.5, rng=np.random.default_rng(1))
    over = guarded(strategy, pool, classes, n_classes=2, class_guard=1.4, batch_size=10, seed=1)
    front = [item for item in plain.indices if classes[item] == 0][:7]
    assert [item for item in over.indices if classes[item] == 0] == front
    assert Counter(classes[over.indices].tolist()) == {0: 7, 1: 3}


def test_coreset_keeps_away_from_what_the_first_pick_took():
    """Classes 0 and 1 share two places. Class 0 takes one of each with its two items; class 1 has a third place to
    offer.
    """
    embeddings = np.array([[0.0, 0], [9, 0], [0, 9], [0, 0.1], [9, 0.1], [4, 4]])
    pool = PoolArrays(size=6, embeddings=embeddings, centre_embeddings=np.array([[4.5, -9.0]]))
    chosen = guarded("coreset", pool, [0, 0, 0, 1, 1, 1], n_classes=2, class_guard=1, batch_size=4).indices
    assert chosen[:2].tolist() != chosen[2:].tolist()
    assert 5 in chosen[2:]


def test_thousands_of_classes_that_are_full_one_by_one_are_no_matter():
    rng = np.random.default_rng(0)
    classes = np.minimum(rng.zipf(1.3, size=30_000) - 1, 4999)
    pool = PoolArrays(size=30_000, margins=rng.random(30_000))
    chosen = guarded("margin", pool, classes, n_classes=5000, class_guard=1, batch_size=5000).indices
    available = np.bincount(classes)
    counts = np.bincount(classes[chosen], minlength=5000)
    assert len(set(chosen.tolist())) == 5000
    assert (counts[: len(available)] >= np.minimum(available, 1)).all()


@pytest.mark.parametrize("class_guard", [2, 1e300, 1.7e308])
def test_a_guard_of_any_size_limits_a_batch_to_itself_at_most(class_guard):
    assert limit(100, 2, class_guard) == 100
    chosen = guarded("margin", pool_of(6), [0] * 6, n_classes=2, class_guard=class_guard, batch_size=4).indices
    assert len(set(chosen.tolist())) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": [0, 1]}, "^classes must be one whole number for each of 6 items"),
        ({"classes": [0.0] * 6}, "^classes must be one whole number for each of 6 items"),
        ({"classes": [0, 1, 2, 0, 1, 3]}, "^classes must lie in 0 … 2, not 0 … 3$"),
        ({"classes": [0, 1, 2, 0, 1, -1]}, "^classes must lie in 0 … 2, not -1 … 2$"),
        ({"n_classes": 0}, "^n_classes must be a whole number of at least 1"),
        ({"class_guard": 0.5}, "^class_guard must be a finite number of at least 1"),
        ({"class_guard": None}, "^class_guard must be a finite number of at least 1"),
        ({"batch_size": -1}, "^batch_size must be a whole number of at least 0"),
    ],
)
def test_other_input_is_refused_by_the_name_of_the_argument(changes, message):
    good = {"classes": [0, 1, 2, 0, 1, 2], "n_classes": 3, "class_guard": 1, "batch_size": 3}
    with pytest.raises(ValueError, match=message):
        guarded("margin", pool_of(6), **(good | changes))
