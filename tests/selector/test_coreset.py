"""Test CoreSet against a literal greedy k-centre, on integers, whose squares are exact in float32."""

from unittest.mock import patch

import numpy as np
import pytest
from apart import Apart
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import cKDTree
from scipy.stats import chisquare

from selector.strategies import PoolArrays, coreset, pick, shards
from tests.extent import ALL, examples


def literal(embeddings, centres, wanted, rng):
    """Pick the first of the farthest items from all centres each time, with the draws of `pick`."""
    centres = [list(map(int, row)) for row in centres]
    rows = [list(map(int, row)) for row in embeddings]
    chosen = [int(rng.integers(len(rows)))] if not centres and wanted else []
    while len(chosen) < wanted:
        taken = centres + [rows[item] for item in chosen]
        distances = {
            item: min(sum((a - b) ** 2 for a, b in zip(row, centre, strict=True)) for centre in taken)
            for item, row in enumerate(rows)
            if item not in chosen
        }
        farthest = max(distances, key=lambda item: (distances[item], -item))
        if distances[farthest] == 0:
            return chosen + rng.choice(sorted(distances), wanted - len(chosen), replace=False).tolist()
        chosen.append(farthest)
    return chosen


whole = st.integers(-20, 20).map(float)


@st.composite
def inputs(draw):
    n, m = draw(st.integers(1, 25)), draw(st.integers(0, 4))
    d = draw(st.sampled_from([1, 2, 20]))
    rows = draw(arrays("float32", (n, d), elements=whole))
    return rows, draw(arrays("float32", (m, d), elements=whole)), draw(st.integers(0, n))


@settings(deadline=None, max_examples=examples(300))
@given(inputs(), st.integers(0, 100), st.integers(1, 30))
def test_it_is_the_greedy_k_centre(values, seed, looked_at_apart):
    rows, centres, wanted = values
    pool = PoolArrays(size=len(rows), embeddings=rows, centre_embeddings=centres)
    with patch.object(coreset, "_FEWEST", looked_at_apart):
        chosen = pick("coreset", pool, batch_size=wanted, rng=np.random.default_rng(seed)).indices.tolist()
    distances = np.square(rows[:, None] - rows[None, :]).sum(axis=2)
    expected = literal(rows, centres, wanted, np.random.default_rng(seed))
    if not len(centres):
        assert chosen == expected
        return
    # Distances to centres at the start go through matrix products: equal ones may come in another order.
    to_centres = np.square(rows[:, None] - centres[None, :]).sum(axis=2).min(axis=1)
    for count, item in enumerate(chosen):
        nearest = np.minimum(to_centres, distances[:, chosen[:count]].min(axis=1, initial=np.inf))
        nearest[chosen[:count]] = -1
        assert nearest[item] >= nearest.max() * (1 - 1e-5) - 1e-3


def test_labeled_items_are_what_the_batch_keeps_away_from():
    rows = np.array([[0, 0], [0.1, 0], [5, 5], [5, 5.1], [-8, 0]])
    pool = PoolArrays(size=5, embeddings=rows, centre_embeddings=rows[[0]])
    chosen = pick("coreset", pool, batch_size=2, rng=np.random.default_rng(0)).indices
    assert chosen.tolist() == [4, 3]


def test_duplicates_come_last_and_at_random():
    rows = np.array([[1.1, 2.3]] * 5 + [[7.7, 0.1]] + [[1.1, 2.3]] * 5)
    pool = PoolArrays(size=11, embeddings=rows, centre_embeddings=rows[:1])
    counts = np.zeros(11)
    for seed in range(1000):
        chosen = pick("coreset", pool, batch_size=2, rng=np.random.default_rng(seed)).indices
        assert chosen[0] == 5
        counts[chosen[1]] += 1
    assert counts[5] == 0
    assert chisquare(np.delete(counts, 5)).pvalue > 1e-4


def test_many_rows_and_centres_go_through_in_blocks():
    rng = np.random.default_rng(0)
    rows, centres = rng.normal(size=(9000, 3)) + 100, rng.normal(size=(5000, 3)) + 100
    pool = PoolArrays(size=9000, embeddings=rows.astype("float16"), centre_embeddings=centres)
    chosen = pick("coreset", pool, batch_size=3, rng=rng).indices
    nearest, _ = cKDTree(centres).query(rows.astype("float16").astype(float))
    assert nearest[chosen[0]] >= nearest.max() * (1 - 1e-3)


@pytest.mark.long
def test_rounds_and_shards_change_no_pick(monkeypatch):
    rng = np.random.default_rng(2)
    n = 9000 if ALL else 4500
    rows = (rng.normal(size=(60, 6))[rng.integers(60, size=n)] + 0.2 * rng.normal(size=(n, 6))).astype("float32")
    rows[4000:4200] = rows[:200]
    pool = PoolArrays(size=n, embeddings=rows, centre_embeddings=rows[:40])

    def picked(**options):
        return pick("coreset", pool, batch_size=n // 13, rng=np.random.default_rng(1), **options).indices

    by_rounds = picked()
    monkeypatch.setattr(shards, "_WORTH_SHARING", 0)
    np.testing.assert_array_equal(picked(workers=Apart()), by_rounds)
    monkeypatch.setattr(coreset, "_farthest", lambda nearest, _: (nearest.argmax()[None], nearest.max(), len(nearest)))
    np.testing.assert_array_equal(picked(), by_rounds)  # one item a round


def test_progress_rises_to_one():
    seen = []
    pool = PoolArrays(size=9, embeddings=np.arange(9.0)[:, None])
    pick("coreset", pool, batch_size=4, rng=np.random.default_rng(0), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
