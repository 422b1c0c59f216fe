"""Test BADGE against a literal k-means++ over explicit gradient embeddings."""

from collections import Counter
from itertools import permutations
from unittest.mock import patch

import numpy as np
import pytest
from apart import Apart
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from selector.strategies import PoolArrays, badge, pick, shards
from tests.extent import ALL, examples, some


def gradients(errors, embeddings):
    return np.array([np.outer(a, h).ravel() for a, h in zip(errors, embeddings, strict=True)], dtype=float)


def literal(rows, centres, wanted, rng):
    """Draw the seeding of algorithm 1 in rounds, as the module's docstring describes."""
    taken, chosen = list(centres), []

    def away(row):
        return min(((row - centre) ** 2).sum() for centre in taken)

    if not taken and wanted:
        chosen.append(int(rng.random() * len(rows)))
        taken.append(rows[chosen[0]])
    while len(chosen) < wanted:
        weights = np.array([0 if item in chosen else away(row) for item, row in enumerate(rows)])
        drawn = wasted = 0
        while len(chosen) < wanted and drawn < badge.MOST and wasted <= max(badge.WASTED, drawn) and weights.sum():
            item = int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right"))
            before, weights[item] = weights[item], away(rows[item])
            if drawn and rng.random() * before >= weights[item]:
                wasted += 1
                continue
            weights[item] = 0
            chosen.append(item)
            taken.append(rows[item])
            drawn += 1
        if not drawn:
            left = [item for item in range(len(rows)) if item not in chosen]
            return chosen + rng.choice(left, wanted - len(chosen), replace=False).tolist()
    return chosen


whole = st.integers(-4, 4).map(float)


@st.composite
def inputs(draw):
    n, m, d, e = draw(st.integers(1, 25)), draw(st.integers(0, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    shapes = {"embeddings": (n, d), "errors": (n, e), "centre_embeddings": (m, d), "centre_errors": (m, e)}
    return {name: draw(arrays("float32", shape, elements=whole)) for name, shape in shapes.items()}, draw(
        st.integers(0, n)
    )


@settings(deadline=None, max_examples=examples(300))
@given(inputs(), st.integers(0, 100), st.sampled_from([1, 3, 512]), st.sampled_from([-1, 2, 32]))
def test_it_is_the_seeding_of_k_means_over_gradient_embeddings(values, seed, most, wasted):
    """All numbers are integers and therefore exact, so that both draw the same items."""
    given_arrays, wanted = values
    pool = PoolArrays(size=len(given_arrays["errors"]), **given_arrays)
    rows = gradients(pool.errors, pool.embeddings)
    centres = gradients(pool.centre_errors, pool.centre_embeddings)
    with patch.object(badge, "MOST", most), patch.object(badge, "WASTED", wasted):
        chosen = pick("badge", pool, batch_size=wanted, rng=np.random.default_rng(seed)).indices.tolist()
        assert chosen == literal(rows, centres, wanted, np.random.default_rng(seed))


def test_an_item_is_drawn_in_proportion_to_its_squared_distance():
    # From the first item, at 0: |a|²|h|² = 0, 1, 4, 9 for the others.
    pool = PoolArrays(
        size=4,
        embeddings=np.array([[0.0], [1], [2], [3]]),
        errors=np.ones((4, 1)),
        centre_embeddings=np.zeros((1, 1)),
        centre_errors=np.ones((1, 1)),
    )
    firsts = [pick("badge", pool, batch_size=1, rng=np.random.default_rng(seed)).indices[0] for seed in range(3000)]
    counts = np.bincount(firsts, minlength=4)
    assert counts[0] == 0
    assert chisquare(counts[1:], np.array([1, 4, 9]) / 14 * 3000).pvalue > 1e-4


@pytest.mark.long
@pytest.mark.parametrize("limits", [{}, {"WASTED": -1}, {"MOST": 1}], ids=["one round", "short rounds", "a draw each"])
def test_rounds_change_no_probability(limits, monkeypatch):
    for name, value in limits.items():
        monkeypatch.setattr(badge, name, value)
    points = np.array([[0.0, 0], [1, 0], [1, 1], [3, 0], [3, 0.5]])
    pool = PoolArrays(size=5, embeddings=points, errors=np.ones((5, 1)))
    draws = 6000 if ALL else 2000
    counts = Counter(
        tuple(pick("badge", pool, batch_size=3, rng=np.random.default_rng(seed)).indices.tolist())
        for seed in range(draws)
    )
    expected = {}
    for order in permutations(range(5), 3):
        chance = 1 / 5
        for place in (1, 2):
            weights = np.square(points[:, None] - points[list(order[:place])]).sum(axis=2).min(axis=1)
            chance *= weights[order[place]] / weights.sum()
        expected[order] = chance * draws
    assert set(counts) <= set(expected)
    rare = [order for order, count in expected.items() if count < 5]
    often = [order for order in expected if order not in rare]
    seen = [counts[order] for order in often] + [sum(counts[order] for order in rare)]
    assert chisquare(seen, [expected[order] for order in often] + [sum(expected[o] for o in rare)]).pvalue > 1e-4


def test_the_first_item_is_drawn_uniformly():
    pool = PoolArrays(size=5, embeddings=np.arange(5.0)[:, None], errors=np.ones((5, 1)))
    firsts = [pick("badge", pool, batch_size=1, rng=np.random.default_rng(seed)).indices[0] for seed in range(2000)]
    assert chisquare(np.bincount(firsts, minlength=5)).pvalue > 1e-4


@pytest.mark.parametrize("value", some([0.0, 0.1, 1 / 3]))
def test_rows_that_are_all_alike_are_drawn_uniformly(value):
    """The rows have distance 0 from each other, in spite of rounding."""
    pool = PoolArrays(size=6, embeddings=np.full((6, 7), value), errors=np.full((6, 3), value))
    counts = np.zeros(6)
    for seed in range(1500):
        chosen = pick("badge", pool, batch_size=2, rng=np.random.default_rng(seed)).indices
        assert chosen[0] != chosen[1]
        counts[chosen[1]] += 1
    assert chisquare(counts).pvalue > 1e-4


def test_a_pool_of_several_blocks():
    rng = np.random.default_rng(3)
    embeddings, errors = rng.integers(-3, 4, size=(2500, 3)), rng.integers(-3, 4, size=(2500, 2))
    pool = PoolArrays(size=2500, embeddings=embeddings, errors=errors)
    chosen = pick("badge", pool, batch_size=5, rng=np.random.default_rng(9)).indices.tolist()
    assert chosen == literal(gradients(errors, embeddings), [], 5, np.random.default_rng(9))


def test_shards_change_no_draw(monkeypatch):
    rng = np.random.default_rng(6)
    embeddings, errors = rng.normal(size=(9000, 5)), rng.normal(size=(9000, 4))
    centres = {"centre_embeddings": embeddings[:20], "centre_errors": errors[:20]}
    pool = PoolArrays(size=9000, embeddings=embeddings, errors=errors, **centres)
    here = pick("badge", pool, batch_size=900, rng=np.random.default_rng(1)).indices
    monkeypatch.setattr(shards, "_WORTH_SHARING", 0)
    apart = pick("badge", pool, batch_size=900, rng=np.random.default_rng(1), workers=Apart()).indices
    np.testing.assert_array_equal(here, apart)
    assert len(set(here.tolist())) == 900


def test_errors_too_small_to_matter_change_nothing():
    """Most errors of a confident model are this small, and would make every product several times slower."""
    rng = np.random.default_rng(4)
    embeddings, errors = rng.normal(size=(3000, 8)), rng.normal(size=(3000, 6)).astype(np.float32)
    errors[rng.random(errors.shape) < 0.5] = 0
    dusty = np.where(errors == 0, np.float32(1e-42), errors)
    given_errors = dusty.copy()
    picks = [
        pick(
            "badge",
            PoolArrays(size=3000, embeddings=embeddings, errors=each),
            batch_size=50,
            rng=np.random.default_rng(1),
        )
        for each in (errors, dusty)
    ]
    assert picks[0].indices.tolist() == picks[1].indices.tolist()
    np.testing.assert_array_equal(dusty, given_errors)
