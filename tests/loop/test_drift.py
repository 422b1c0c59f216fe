"""Test that the measure of drift is low while clusters hold similar items, and high otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.insight.clusterings import LEAST_KEPT
from labeling.models import Clustering
from labeling.steps.drift import described, draw_pairs
from tests.extent import examples


def blobs(n: int, groups: int, rng: np.random.Generator, *, spread: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of `n` items around a direction for each group, and the groups."""
    group = rng.integers(0, groups, n)
    return rng.normal(size=(groups, 16))[group] + spread * rng.normal(size=(n, 16)), group


def measured(embeddings: np.ndarray, clusters: np.ndarray, seed: int = 0) -> float | None:
    pairs = draw_pairs(clusters, np.random.default_rng(seed))
    assert pairs is not None
    return described(embeddings[pairs.rows], pairs)


def exactly(embeddings: np.ndarray, clusters: np.ndarray) -> float:
    """Compute the measure from all pairs, with plain loops."""
    within, anywhere, partners = [], [], np.bincount(clusters)[clusters] - 1
    for one in range(len(embeddings)):
        for other in range(len(embeddings)):
            if one == other:
                continue
            a, b = embeddings[one], embeddings[other]
            lengths = np.sqrt((a @ a) * (b @ b))
            distance = 1 - a @ b / lengths if lengths else float(bool(a.any()) or bool(b.any()))
            anywhere.append(distance)
            if clusters[one] == clusters[other]:
                within.append((distance, 1 / partners[one]))  # each item counts once, in however large a cluster
    distances, weights = np.array(within).T
    return 1 - np.average(distances, weights=weights) / np.mean(anywhere)


def test_the_sample_says_what_all_pairs_say() -> None:
    rng = np.random.default_rng(5)
    embeddings, clusters = blobs(120, 9, rng, spread=0.6)
    embeddings[7] = 0
    assert measured(embeddings, clusters) == pytest.approx(exactly(embeddings, clusters), abs=0.03)


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(80), deadline=None)
def test_pairs_are_two_items_and_within_means_within(ids: list[int], seed: int) -> None:
    clusters = np.array(ids)
    pairs = draw_pairs(clusters, np.random.default_rng(seed), pairs=50)
    if len(set(ids)) == len(ids):
        assert pairs is None
        return
    assert pairs is not None
    within, anywhere = pairs.rows[pairs.within], pairs.rows[pairs.any]
    assert (clusters[within[:, 0]] == clusters[within[:, 1]]).all()
    assert (within[:, 0] != within[:, 1]).all()
    assert (anywhere[:, 0] != anywhere[:, 1]).all()
    assert (np.diff(pairs.rows) > 0).all()
    again = draw_pairs(clusters, np.random.default_rng(seed), pairs=50)
    assert again is not None
    assert (again.within == pairs.within).all()


def kept(then: np.ndarray, now: np.ndarray, clusters: np.ndarray) -> float:
    row = Clustering(described_then=measured(then, clusters), described_now=measured(now, clusters))
    assert row.kept_share is not None
    return row.kept_share


def test_it_stays_quiet_when_the_space_only_turns_stretches_and_trembles() -> None:
    rng = np.random.default_rng(1)
    then, clusters = blobs(5000, 200, rng)
    turned = 3 * then @ np.linalg.qr(rng.normal(size=(16, 16)))[0]
    assert kept(then, turned, clusters) == pytest.approx(1, abs=1e-6)
    assert kept(then, then + 0.2 * rng.normal(size=then.shape), clusters) > LEAST_KEPT


def test_it_fires_when_a_model_sees_other_groups() -> None:
    rng = np.random.default_rng(2)
    then, clusters = blobs(5000, 200, rng)
    now, _ = blobs(5000, 200, rng)
    assert kept(then, now, clusters) < 0.1
    half = np.where(rng.random(5000) < 0.5, clusters, rng.integers(0, 200, 5000))  # of each cluster a half has left
    assert kept(then, rng.normal(size=(200, 16))[half] + 0.2 * rng.normal(size=then.shape), clusters) < LEAST_KEPT


def test_items_that_are_all_alike_tell_nothing() -> None:
    assert measured(np.ones((20, 3)), np.repeat(np.arange(4), 5)) is None
    assert Clustering(described_then=None, described_now=0.4).kept_share is None
    assert Clustering(described_then=0.5, described_now=-0.1).kept_share == 0
