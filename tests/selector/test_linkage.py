"""Test average linkage at scale against the exact method, by checking every merge, and by properties."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from selector import linkage, neighbours
from selector.exact import exact_average_linkage
from selector.linkage import Dendrogram
from selector.vectors import METRICS
from tests.extent import examples, some

# Small pools are clustered exactly: here they take the way of the large ones.
average_linkage = partial(linkage.average_linkage, exact_up_to=0)

CUTS = (2, 5, 10, 50)


def agreement(one: Dendrogram, other: Dendrogram):
    """Return the adjusted Rand indices at several mean cluster sizes."""
    return [adjusted_rand_score(one.cut(mean_cluster_size=size), other.cut(mean_cluster_size=size)) for size in CUTS]


def mixture(n, d=16, groups=40, width=0.6, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, groups, n)
    return rng.normal(size=(groups, d))[truth] + rng.normal(size=(n, d)) * width, truth


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [2, 3, 17, 18, 300, 1023])
def test_where_all_pairs_are_looked_at_it_is_exact(metric, n):
    embeddings, _ = mixture(n, seed=n)
    ours, exact = average_linkage(embeddings, metric=metric), exact_average_linkage(embeddings, metric=metric)
    np.testing.assert_allclose(ours.heights, exact.heights, rtol=1e-4, atol=1e-6)
    assert min(agreement(ours, exact)) > 0.999


@pytest.mark.parametrize("metric", some(METRICS))
def test_where_trees_find_the_neighbours_it_is_all_but_exact(metric, monkeypatch):
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 2000)
    embeddings, _ = mixture(6000)
    ours, exact = average_linkage(embeddings, metric=metric), exact_average_linkage(embeddings, metric=metric)
    assert min(agreement(ours, exact)) > 0.95  # one neighbour overlooked can turn a large merge


def test_it_agrees_with_exact_on_real_images():
    embeddings = load_digits().data
    ours, exact = average_linkage(embeddings), exact_average_linkage(embeddings)
    assert min(agreement(ours, exact)) > 0.98


@pytest.mark.parametrize("metric", some(METRICS))
def test_separated_blobs_are_found_whole(metric, monkeypatch):
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 2000)  # by trees, as among more
    embeddings, truth = mixture(12_000, groups=120, width=0.01)
    labels = average_linkage(embeddings, metric=metric).cut(clusters=120)
    assert adjusted_rand_score(truth, labels) == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_heights_are_the_mean_distances_of_what_was_merged(metric):
    """Every merge is checked by its definition, whether or not all neighbours were found."""
    embeddings, _ = mixture(3000, d=5)
    points = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True) if metric == "cosine" else embeddings
    dendrogram = average_linkage(embeddings, metric=metric)
    sums = list(points)
    squares = list((points**2).sum(axis=1))
    sizes = [1] * len(points)
    for (a, b), height in zip(dendrogram.merges, dendrogram.heights, strict=True):
        product = sums[a] @ sums[b] / (sizes[a] * sizes[b])
        distance = squares[a] / sizes[a] + squares[b] / sizes[b] - 2 * product
        assert height == pytest.approx(distance / (2 if metric == "cosine" else 1), rel=1e-3, abs=1e-5)
        sums.append(sums[a] + sums[b])
        squares.append(squares[a] + squares[b])
        sizes.append(sizes[a] + sizes[b])


@pytest.mark.parametrize("metric", METRICS)
def test_exact_duplicates_merge_first_at_height_zero(metric):
    rng = np.random.default_rng(4)
    originals = rng.normal(size=(300, 33)).astype("float32")
    truth = rng.permutation(np.repeat(np.arange(300), 20))
    dendrogram = average_linkage(originals[truth], metric=metric)
    assert (dendrogram.heights[: 300 * 19] == 0).all()
    assert dendrogram.heights[300 * 19] > 0
    assert adjusted_rand_score(dendrogram.cut(threshold=0), truth) == 1.0


@pytest.mark.parametrize(("link", "n"), [(exact_average_linkage, 200), (average_linkage, 30_000)])
@pytest.mark.parametrize("metric", some(METRICS))
@pytest.mark.parametrize("value", some([-3.7, 1.0, 0.0]))
def test_a_pool_of_one_repeated_item_is_one_cluster_at_height_zero(link, n, metric, value):
    dendrogram = link(np.full((n, 7), value, "float32"), metric=metric)
    assert (dendrogram.heights == 0).all()
    assert len(set(dendrogram.cut(clusters=17))) == 17


def test_zero_rows_are_alike_and_at_distance_one_from_the_rest():
    embeddings, _ = mixture(3000)
    embeddings[::10] = 0
    dendrogram = average_linkage(embeddings)
    clusters = dendrogram.cut(threshold=0.0)
    assert len(set(clusters[::10])) == 1
    assert (clusters == clusters[0]).sum() == 300
    merged = (dendrogram.merges < 3000) & (dendrogram.merges % 10 == 0)
    assert dendrogram.heights[merged.any(axis=1)].max() < 1e-6


def test_two_far_halves_without_a_common_neighbour_still_make_one_tree():
    one, other = mixture(2000, groups=1, seed=1)[0], mixture(2000, groups=1, seed=2)[0] + 1000
    dendrogram = average_linkage(np.concatenate([one, other]), metric="sqeuclidean")
    assert adjusted_rand_score(dendrogram.cut(clusters=2), np.repeat([0, 1], 2000)) == 1.0


both = pytest.mark.parametrize(("link", "n"), [(exact_average_linkage, 60), (average_linkage, 2000)], ids=["exact", ""])


@both
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8", ">f4"])
def test_every_real_dtype_is_read_by_its_value(link, n, dtype):
    embeddings = np.random.default_rng(1).integers(0, 100, size=(n, 5)).astype(dtype)
    for metric in METRICS:
        expected = link(embeddings.astype("float64"), metric=metric)
        assert link(embeddings, metric=metric).digest == expected.digest


@both
@pytest.mark.parametrize("metric", METRICS)
def test_arrays_and_memory_maps_are_read_and_left_as_they_were(tmp_path, link, n, metric):
    embeddings = np.random.default_rng(2).normal(size=(n, 4)).astype("float16")
    before = embeddings.copy()
    np.save(tmp_path / "embeddings.npy", embeddings)
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r")
    assert link(mapped, metric=metric).digest == link(embeddings, metric=metric).digest
    np.testing.assert_array_equal(np.load(tmp_path / "embeddings.npy"), before)
    np.testing.assert_array_equal(embeddings, before)


def digests():
    """Return the dendrograms' digests of a pool that trees search, for each metric."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "ALL_PAIRS", 2000)
        embeddings, _ = mixture(10_000, seed=3)
        return [average_linkage(embeddings, metric=metric, seed=5).digest for metric in METRICS]


@pytest.mark.long
def test_the_same_seed_gives_the_same_dendrogram_in_another_process():
    code = "from tests.selector.test_linkage import digests; print(*digests())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.split() == digests()


@pytest.mark.parametrize("lengths", [np.logspace(-300, 300, 3000), np.logspace(-3, 3, 3000)])
def test_cosine_ignores_length_even_at_the_ends_of_the_float_range(lengths):
    embeddings, _ = mixture(3000)
    expected = average_linkage(embeddings)
    stretched = average_linkage(embeddings * lengths[:, None])
    np.testing.assert_allclose(stretched.heights, expected.heights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_squared_euclidean_takes_any_unit(factor):
    embeddings, _ = mixture(3000)
    expected, scaled = (average_linkage(embeddings * f, metric="sqeuclidean") for f in (1, factor))
    np.testing.assert_allclose(scaled.heights / factor**2, expected.heights, rtol=1e-3)


@both
def test_squared_euclidean_keeps_its_digits_far_from_the_origin(link, n):
    embeddings = np.random.default_rng(6).integers(-50, 50, size=(n, 5)).astype(float)
    near, far = (link(embeddings + shift, metric="sqeuclidean") for shift in (0, 1e9))
    np.testing.assert_allclose(far.heights, near.heights, rtol=1e-4 if n > 60 else 1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_refused_with_its_row(metric, bad):
    embeddings = np.ones((70_000, 3))
    embeddings[66_004, 1] = bad
    with pytest.raises(ValueError, match=r"^embeddings holds a value that is not a finite number \(row 66004\)$"):
        average_linkage(embeddings, metric=metric)


@both
def test_a_wrong_shape_type_or_metric_is_refused(link, n):
    for wrong in ([1.0, 2.0], np.ones((2, 2, 2)), [["a"]], [[1j]], [[True]], 3):
        with pytest.raises(ValueError, match="embeddings must be a two-dimensional array of real numbers"):
            link(wrong)
    with pytest.raises(ValueError, match="unknown metric 'ward'; known: cosine, sqeuclidean"):
        link(np.eye(3), metric="ward")


@pytest.mark.parametrize("n", [0, 1, 2, 250, 3000])
@pytest.mark.parametrize("exact_up_to", [0, 1000])
def test_progress_names_what_is_done_and_rises_to_one(n, exact_up_to):
    seen = []
    embeddings = np.random.default_rng(7).normal(size=(n, 3))
    linkage.average_linkage(embeddings, exact_up_to=exact_up_to, progress=lambda *report: seen.append(report))
    phases, shares = zip(*seen, strict=True)
    assert list(shares) == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] == 1.0
    assert n < 3000 or {"reading the embeddings", "finding neighbours of 3,000 clusters"} <= set(phases)


def test_what_progress_raises_ends_the_clustering():
    def stop(phase, share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        average_linkage(np.eye(30), progress=stop)


# Few distinct values make many ties and duplicates; wide ones make outliers.
few = st.integers(-2, 2).map(float)
wide = st.floats(-1e6, 1e6, allow_nan=False, width=32)
pools = st.one_of(
    *(
        hnp.arrays("float64", st.tuples(st.integers(0, 60), st.integers(0, 4)), elements=elements)
        for elements in (few, wide)
    )
)


@settings(deadline=None)
@given(embeddings=pools, metric=st.sampled_from(METRICS), copies=st.sampled_from([1, 30]))
def test_whatever_the_pool_there_is_one_whole_tree(embeddings, metric, copies):
    embeddings = np.tile(embeddings, (copies, 1))
    n = len(embeddings)
    dendrogram = average_linkage(embeddings, metric=metric)
    assert sorted(dendrogram.merges.ravel()) == list(range(2 * n - 2 if n else 0))
    assert (np.diff(dendrogram.heights) >= 0).all()
    assert (dendrogram.heights >= 0).all()
    assert metric != "cosine" or (dendrogram.heights <= 2 + 1e-6).all()


@settings(deadline=None, max_examples=examples(50))
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(METRICS))
def test_small_pools_without_ties_come_out_as_exact_ones(seed, metric):
    embeddings = np.random.default_rng(seed).normal(size=(120, 4))
    ours, exact = average_linkage(embeddings, metric=metric), exact_average_linkage(embeddings, metric=metric)
    np.testing.assert_allclose(ours.heights, exact.heights, rtol=1e-4, atol=1e-6)
