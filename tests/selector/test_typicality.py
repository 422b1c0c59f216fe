"""Test typicality against a literal TypiClust that picks one item after the other, on given clusters."""

import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selector.strategies import PoolArrays, pick, typicality
from selector.strategies.typicality import most_typical
from tests.extent import examples


def distances_in_clusters(rows, clusters):
    """Return the sum of the distances to the nearest neighbours in the cluster, one by one."""

    def nearest(item):
        others = [other for other in range(len(rows)) if clusters[other] == clusters[item] and other != item]
        return sorted(np.sqrt(((rows[item] - rows[other]) ** 2).sum()) for other in others)[: typicality.NEIGHBOURS]

    return np.array([sum(nearest(item)) for item in range(len(rows))])


def slow_picks(clusters, distances, labels, batch_size):
    """Return cluster and distance of each pick: from the cluster with the fewest labels, the largest of equals."""
    labels, picks = list(labels), []
    members = {name: [n for n in range(len(clusters)) if clusters[n] == name] for name in set(clusters)}
    sizes = {name: len(items) for name, items in members.items()}
    for _ in range(min(batch_size, len(clusters))):
        name = min((name for name in members if members[name]), key=lambda name: (labels[name], -sizes[name], name))
        item = min(members[name], key=lambda item: distances[item])
        members[name].remove(item)
        picks.append((name, distances[item]))
        labels[name] += 1
    return picks


@settings(deadline=None, max_examples=examples(60))
@given(
    n=st.integers(0, 60),
    names=st.integers(1, 6),
    labeled=st.integers(0, 12),
    batch_size=st.integers(0, 70),
    seed=st.integers(0, 2**32 - 1),
)
def test_picks_are_those_of_a_slow_search(n, names, labeled, batch_size, seed):
    rng = np.random.default_rng(seed)
    rows, clusters = rng.normal(size=(n, 3)).astype(np.float32), rng.integers(0, names, n)
    labels = np.bincount(rng.integers(0, names, labeled), minlength=names)
    picks = most_typical(rows, clusters, labels, batch_size, np.random.default_rng(1))
    assert len(set(picks.tolist())) == len(picks)
    distances = distances_in_clusters(rows.astype(float), clusters)
    expected = slow_picks(clusters.tolist(), distances, labels, batch_size)
    assert clusters[picks].tolist() == [name for name, _ in expected]
    np.testing.assert_allclose(distances[picks], [distance for _, distance in expected], rtol=1e-12)


def blobs(sizes, seed=0):
    """Return round groups of these sizes, far from each other, each with its first item in the middle."""
    rng = np.random.default_rng(seed)
    groups = [np.vstack([np.zeros((1, 2)), rng.normal(size=(size - 1, 2))]) for size in sizes]
    return np.vstack([group + 100 * place for place, group in enumerate(groups)])


def picked(embeddings, batch_size, seed=0, **arrays):
    pool = PoolArrays(size=len(embeddings), embeddings=embeddings, **arrays)
    return pick("typicality", pool, batch_size=batch_size, rng=np.random.default_rng(seed)).indices


def test_without_labels_it_takes_one_item_from_the_middle_of_each_group():
    embeddings = blobs([40, 30, 20])
    chosen = picked(embeddings, 3)
    assert sorted((chosen >= 40).astype(int) + (chosen >= 70)) == [0, 1, 2]
    nearest = np.abs(embeddings[chosen] - 100 * np.array([[0], [1], [2]])[(chosen >= 40).astype(int) + (chosen >= 70)])
    assert (nearest < 1).all()


def test_groups_with_labels_come_last():
    embeddings = blobs([40, 30, 20])
    chosen = picked(embeddings, 1, centre_embeddings=np.array([[0.0, 0.0], [100.0, 100.0]]))
    assert chosen[0] >= 70


def test_the_same_seed_gives_the_same_batch():
    embeddings = np.random.default_rng(0).normal(size=(300, 4))
    assert picked(embeddings, 25).tolist() == picked(embeddings, 25).tolist()
    assert picked(embeddings, 25).tolist() != picked(embeddings, 25, seed=1).tolist()


@pytest.mark.parametrize("embeddings", [np.ones((50, 3)), np.empty((50, 0)), np.repeat(np.eye(2), 25, axis=0)])
def test_equal_items_are_each_taken_once(embeddings):
    assert sorted(picked(embeddings, 50).tolist()) == list(range(50))
    assert len(set(picked(embeddings, 7).tolist())) == 7
    assert len(set(picked(embeddings, 7, centre_embeddings=embeddings[:5]).tolist())) == 7


def test_a_batch_larger_than_the_number_of_clusters_takes_several_items_of_each():
    embeddings = blobs([30, 30, 30])
    with patch.object(typicality, "MOST_CLUSTERS", 3):
        chosen = picked(embeddings, 12)
    assert np.bincount(chosen // 30).tolist() == [4, 4, 4]


@pytest.mark.long
def test_of_large_clusters_and_pools_a_sample_is_looked_at():
    embeddings = np.random.default_rng(0).normal(size=(400, 3))
    with patch.multiple(typicality, SAMPLE=100, COMPARED=20, MOST_CLUSTERS=4):
        assert sorted(picked(embeddings, 400).tolist()) == list(range(400))


@pytest.mark.long
def test_memory_does_not_grow_with_the_pairs_of_a_pool():
    embeddings = np.zeros((60_000, 4), np.float32)  # one cluster, whose pairs would take 28 GB
    pool = PoolArrays(size=len(embeddings), embeddings=embeddings)
    tracemalloc.start()
    pick("typicality", pool, batch_size=10, rng=np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 << 20


def test_the_share_done_is_told():
    seen: list[float] = []
    pool = PoolArrays(size=90, embeddings=blobs([30, 30, 30]))
    pick("typicality", pool, batch_size=5, rng=np.random.default_rng(0), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"embeddings": np.full((6, 2), np.nan)}, r"^embeddings holds a value that is no number .*\(row 0\)$"),
        (
            {"embeddings": np.ones((6, 2)), "centre_embeddings": np.ones((1, 3))},
            "^centre_embeddings must have 2 columns",
        ),
    ],
)
def test_unfit_arrays_are_refused_by_name(arrays, message):
    with pytest.raises(ValueError, match=message):
        pick("typicality", PoolArrays(size=6, **arrays), batch_size=2, rng=np.random.default_rng(0))
