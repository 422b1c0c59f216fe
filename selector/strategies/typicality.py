"""Typicality: the most typical items of the largest groups that have no label yet, for projects with few labels.

Source: Hacohen et al. 2022, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets"
(arXiv 2202.02794), TypiClust. Ours where a pool is large: clusters and typicality are estimated from samples, and a
batch that is larger than the number of clusters takes several items of each.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.cluster import MiniBatchKMeans

from selector.cluster_margin import Selection
from selector.strategies.pool import PoolArrays, vectors
from selector.strategies.ranked import in_one_pass

NEIGHBOURS = 20
MOST_CLUSTERS = 500
# Items that k-means learns the clusters from, and items of a cluster that are compared with each other, at most.
SAMPLE, COMPARED = 50_000, 1_000


def pick(
    pool: PoolArrays,
    batch_size: int,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
    **_: object,
) -> Selection:
    """Take the most typical item of the cluster with the fewest labels, the largest of equals, `batch_size` times.

    The labeled items are `pool.centre_embeddings`, and each pick counts as a label of its cluster. K-means clusters the
    embeddings of both, in as many clusters as there are labels and picks, at most MOST_CLUSTERS. The typicality of an
    item is 1 / its mean Euclidean distance to its NEIGHBOURS nearest items of the same cluster, labeled ones left out;
    equally typical items come in random order. The candidates are the whole pool.

    K-means learns from SAMPLE random items. Of a larger cluster than COMPARED, so many random items are compared with
    each other and come first; the others follow in random order.
    Takes O(n·d·c) time for n items and c clusters, O(c·COMPARED²·d) at most to compare, and O(n + COMPARED²) memory
    beyond the embeddings in float32.
    Raises ValueError on embeddings that hold no numbers, or labeled ones with another number of columns.
    """
    assert pool.embeddings is not None
    rows = vectors(pool.embeddings, "embeddings")
    labeled = rows[:0]
    if pool.centre_embeddings is not None:
        labeled = vectors(pool.centre_embeddings, "centre_embeddings", like=rows)
    clusters, of_labeled = _clusters(rows, labeled, batch_size, rng)
    labels = np.bincount(of_labeled, minlength=MOST_CLUSTERS)
    return in_one_pass(most_typical(rows, clusters, labels, batch_size, rng, progress), pool)


def most_typical(
    rows: NDArray[np.float32],
    clusters: NDArray[np.int64],
    labels: NDArray[np.int64],
    batch_size: int,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.int64]:
    """Return the picks, in order, from rows (n, d) in clusters (n,); `labels` (c,) counts each cluster's labels."""
    order = np.argsort(clusters, kind="stable")
    sizes = np.bincount(clusters, minlength=len(labels))
    starts = np.cumsum(sizes) - sizes
    # One turn for each item: a cluster's turns come when it has so many labels and picks.
    of_turn = clusters[order]
    number = np.arange(len(rows)) - starts[of_turn]
    turns = of_turn[np.lexsort((of_turn, -sizes[of_turn], labels[of_turn] + number))[:batch_size]]
    chosen = np.empty(len(turns), np.int64)
    names = np.unique(turns)
    for done, cluster in enumerate(names.tolist(), 1):
        places = np.flatnonzero(turns == cluster)
        members = order[starts[cluster] : starts[cluster] + sizes[cluster]]
        chosen[places] = _most_typical_first(rows, members, rng)[: len(places)]
        if progress is not None:
            progress(done / len(names))
    return chosen


def _most_typical_first(
    rows: NDArray[np.float32], members: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the members of a cluster, the most typical first."""
    members = rng.permutation(members)
    some = rows[members[:COMPARED]]
    distances = cdist(some, some)
    np.fill_diagonal(distances, np.inf)
    count = min(NEIGHBOURS, len(some) - 1)
    nearest = np.sort(np.partition(distances, count, axis=1)[:, :count], axis=1)
    # The sum has the order of the mean, and sorted distances give equal sums for equally typical items.
    members[: len(some)] = members[np.argsort(nearest.sum(axis=1), kind="stable")]
    return members


def _clusters(
    rows: NDArray[np.float32], labeled: NDArray[np.float32], batch_size: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the clusters of the rows (n,) and of the labeled items (m,), by k-means on a sample of both."""
    n, m = len(rows), len(labeled)
    count = min(m + batch_size, n + m, MOST_CLUSTERS)
    if count < 2 or rows.shape[1] == 0:
        return np.zeros(n, np.int64), np.zeros(m, np.int64)
    sample = np.sort(rng.choice(n + m, min(SAMPLE, n + m), replace=False))
    both = np.concatenate([rows[sample[sample < n]], labeled[sample[sample >= n] - n]])
    kmeans = MiniBatchKMeans(count, random_state=int(rng.integers(1 << 31)), n_init=1).fit(both)
    return _nearest(kmeans, rows), _nearest(kmeans, labeled)


def _nearest(kmeans: MiniBatchKMeans, rows: NDArray[np.float32]) -> NDArray[np.int64]:
    return kmeans.predict(rows).astype(np.int64) if len(rows) else np.empty(0, np.int64)
