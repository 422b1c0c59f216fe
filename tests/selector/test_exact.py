"""Test exact average linkage against scipy, against a literal reference, and by properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import adjusted_rand_score

from selector.dendrogram import Dendrogram
from selector.exact import exact_average_linkage
from selector.vectors import METRICS


def literal_heights(embeddings, metric):
    """Merge the two clusters with the smallest mean distance over all pairs of members, again and again; return the
    heights.
    """
    distances = squareform(pdist(embeddings, metric))
    clusters = [[row] for row in range(len(embeddings))]
    cophenetic = np.zeros_like(distances)
    while len(clusters) > 1:
        height, a, b = min(
            (distances[np.ix_(clusters[a], clusters[b])].mean(), a, b) for a in range(len(clusters)) for b in range(a)
        )
        cophenetic[np.ix_(clusters[a], clusters[b])] = height
        cophenetic[np.ix_(clusters[b], clusters[a])] = height
        clusters[b] += clusters.pop(a)
    return cophenetic


def as_scipy(dendrogram: Dendrogram):
    members = [1] * dendrogram.size
    for a, b in dendrogram.merges:
        members.append(members[a] + members[b])
    return np.column_stack([dendrogram.merges, dendrogram.heights, members[dendrogram.size :]])


def same_partition(one, other):
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


def blobs(seed, *, groups=12, each=15, d=16):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(groups), each)
    return rng.normal(size=(groups, d))[truth] * 10 + rng.normal(size=(groups * each, d)) * 0.1, truth


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_literal_definition_of_exact_average_linkage(metric, seed):
    embeddings = np.random.default_rng(seed).normal(size=(35, 6)) + 0.5
    ours = squareform(hierarchy.cophenet(as_scipy(exact_average_linkage(embeddings, metric=metric))))
    np.testing.assert_allclose(ours, literal_heights(embeddings, metric), rtol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "d"), [(2, 3), (50, 2), (300, 8), (300, 64)])
def test_it_agrees_with_scipy_at_every_cut(metric, n, d):
    embeddings = np.random.default_rng(n + d).normal(size=(n, d))
    theirs = hierarchy.linkage(pdist(embeddings, metric), method="average")
    ours = exact_average_linkage(embeddings, metric=metric)
    assert hierarchy.is_valid_linkage(as_scipy(ours))
    np.testing.assert_allclose(ours.heights, theirs[:, 2], rtol=1e-9, atol=1e-14)
    cophenetic = (hierarchy.cophenet(as_scipy(ours)), hierarchy.cophenet(theirs))
    np.testing.assert_allclose(*cophenetic, rtol=1e-9, atol=1e-14)
    for clusters, expected in zip(range(n, 0, -1), hierarchy.cut_tree(theirs).T, strict=True):
        assert same_partition(ours.cut(clusters=clusters), expected), clusters


@pytest.mark.parametrize("metric", METRICS)
def test_separated_blobs_are_found_whole(metric):
    embeddings, truth = blobs(0)
    labels = exact_average_linkage(embeddings, metric=metric).cut(clusters=12)
    assert adjusted_rand_score(truth, labels) == 1.0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_pools(metric, n):
    dendrogram = exact_average_linkage(np.eye(2)[:n].reshape(n, 2), metric=metric)
    assert dendrogram.size == n
    assert dendrogram.merges.tolist() == ([[0, 1]] if n == 2 else [])
    assert dendrogram.heights.tolist() == ([{"cosine": 1.0, "sqeuclidean": 2.0}[metric]] if n == 2 else [])
    assert dendrogram.cut(mean_cluster_size=10).tolist() == [0] * n


@pytest.mark.parametrize("metric", METRICS)
def test_exact_duplicates_merge_first_at_height_zero(metric):
    rng = np.random.default_rng(4)
    originals = rng.normal(size=(30, 33)).astype("float32")
    truth = rng.permutation(np.repeat(np.arange(30), 6))
    dendrogram = exact_average_linkage(originals[truth], metric=metric)
    assert (dendrogram.heights[: 30 * 5] == 0).all()
    assert dendrogram.heights[30 * 5] > 0
    assert same_partition(dendrogram.cut(threshold=0), truth)


def test_zero_rows_are_alike_and_at_distance_one_from_the_rest():
    embeddings = np.array([[0, 0], [1, 0], [0, 0], [1, 0.1], [-0.0, 0]])
    dendrogram = exact_average_linkage(embeddings)
    assert dendrogram.cut(clusters=2).tolist() == [0, 1, 0, 1, 0]
    assert dendrogram.heights[-1] == pytest.approx(1.0)


def test_cosine_ignores_length_even_at_the_ends_of_the_float_range():
    embeddings = np.random.default_rng(5).normal(size=(40, 5))
    lengths = np.logspace(-300, 300, 40)[:, None]
    expected = exact_average_linkage(embeddings)
    stretched = exact_average_linkage(embeddings * lengths)
    np.testing.assert_allclose(stretched.heights, expected.heights, rtol=1e-9)
    np.testing.assert_array_equal(stretched.cut(clusters=9), expected.cut(clusters=9))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_refused_with_its_row(metric, bad):
    embeddings = np.ones((9, 3))
    embeddings[4, 1] = bad
    with pytest.raises(ValueError, match=r"^embeddings holds a value that is not a finite number \(row 4\)$"):
        exact_average_linkage(embeddings, metric=metric)


def test_a_value_too_large_to_square_is_refused():
    with pytest.raises(ValueError, match=r"too large to square \(row 1\)"):
        exact_average_linkage([[0.0], [1e200], [1.0]], metric="sqeuclidean")


@pytest.mark.parametrize("n", [0, 1, 2, 250])
def test_progress_rises_from_zero_to_one(n):
    seen = []
    exact_average_linkage(np.random.default_rng(7).normal(size=(n, 3)), progress=seen.append)
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] == 1.0
    assert n < 250 or len(seen) > 50


# Few distinct values make many ties and duplicates; wide ones make outliers.
few = st.integers(-2, 2).map(float)
wide = st.floats(-1e6, 1e6, allow_nan=False, width=32)
pools = st.one_of(
    *(
        hnp.arrays("float64", st.tuples(st.integers(0, 40), st.integers(0, 4)), elements=elements)
        for elements in (few, wide)
    )
)


@settings(deadline=None)
@given(embeddings=pools, metric=st.sampled_from(METRICS), data=st.data())
def test_whatever_the_pool_there_is_one_whole_tree(embeddings, metric, data):
    n = len(embeddings)
    dendrogram = exact_average_linkage(embeddings, metric=metric)
    assert dendrogram.merges.shape == (max(n - 1, 0), 2)
    assert sorted(dendrogram.merges.ravel()) == list(range(2 * n - 2 if n else 0))
    assert (np.diff(dendrogram.heights) >= 0).all()
    assert (dendrogram.heights >= 0).all()
    assert metric != "cosine" or (dendrogram.heights <= 2 + 1e-9).all()
    if n:
        clusters = data.draw(st.integers(1, n))
        assert sorted(set(dendrogram.cut(clusters=clusters))) == list(range(clusters))


@settings(deadline=None)
@given(embeddings=pools, metric=st.sampled_from(METRICS))
def test_every_height_is_the_mean_distance_of_the_two_clusters(embeddings, metric):
    """This also holds with ties, for which several trees are right."""
    dendrogram = exact_average_linkage(embeddings, metric=metric)
    points = embeddings
    if metric == "cosine":
        zero = ~embeddings.any(axis=1, keepdims=True)
        points = np.hstack([embeddings, zero])
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    members = [[row] for row in range(len(embeddings))]
    scale = 1e-9 * (1 + np.abs(points).max(initial=0)) ** 2
    for (a, b), height in zip(dendrogram.merges, dendrogram.heights, strict=True):
        difference = points[members[a]][:, None] - points[members[b]][None]
        expected = (difference**2).sum(axis=2).mean() / (2 if metric == "cosine" else 1)
        assert height == pytest.approx(expected, rel=1e-9, abs=scale)
        members.append(members[a] + members[b])


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(METRICS))
def test_the_order_of_the_items_does_not_matter(seed, metric):
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(30, 4))
    order = rng.permutation(30)
    here, there = (
        exact_average_linkage(embeddings, metric=metric),
        exact_average_linkage(embeddings[order], metric=metric),
    )
    np.testing.assert_allclose(there.heights, here.heights, rtol=1e-9)
    assert same_partition(here.cut(clusters=7)[order], there.cut(clusters=7))
