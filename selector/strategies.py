"""The ways of picking a batch, by name."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selector.checks import generator, whole_number
from selector.cluster_margin import Selection, check_clusters, check_margins, select, smallest

STRATEGIES = ("cluster-margin", "margin", "uniform")


def pick(
    strategy: str,
    *,
    margins: ArrayLike,
    clusters: ArrayLike,
    batch_size: int,
    candidate_factor: float,
    rng: np.random.Generator,
) -> Selection:
    """Pick the next batch from the unlabeled pool by the strategy named. Arguments as for `cluster_margin.select`.

    "cluster-margin": `cluster_margin.select`.
    "margin": the batch_size items of smallest margin, smallest first, equal ones in random order. The candidates
        are the batch itself.
    "uniform": batch_size items uniformly at random. The candidates are the whole pool. Margins may be NaN:
        before the first model there are none.

    The last two visit no clusters: all their passes are 0, and candidate_factor is not looked at.
    Raises ValueError as `select` does, and on an unknown strategy.
    """
    if strategy == "cluster-margin":
        return select(margins, clusters, batch_size=batch_size, candidate_factor=candidate_factor, rng=rng)
    if strategy == "margin":
        return _smallest_margins(margins, clusters, batch_size, rng)
    if strategy == "uniform":
        return _uniform(margins, clusters, batch_size, rng)
    raise ValueError(f"unknown strategy {strategy!r}; known: {', '.join(STRATEGIES)}")


def _smallest_margins(margins: ArrayLike, clusters: ArrayLike, batch_size: int, rng: np.random.Generator) -> Selection:
    margins = check_margins(margins)
    clusters = check_clusters(clusters, len(margins))
    wanted = min(whole_number(batch_size, "batch_size", least=0), len(margins))
    chosen = smallest(margins, wanted, generator(rng))
    order = np.lexsort((rng.permutation(wanted), margins[chosen]))
    return _in_one_pass(chosen[order], clusters, candidates=chosen)


def _uniform(margins: ArrayLike, clusters: ArrayLike, batch_size: int, rng: np.random.Generator) -> Selection:
    items = len(check_margins(margins, may_be_nan=True))
    clusters = check_clusters(clusters, items)
    wanted = min(whole_number(batch_size, "batch_size", least=0), items)
    chosen = generator(rng).choice(items, wanted, replace=False)
    return _in_one_pass(chosen, clusters, candidates=np.arange(items))


def _in_one_pass(
    indices: NDArray[np.int64], clusters: NDArray[np.int64], *, candidates: NDArray[np.int64]
) -> Selection:
    names, sizes = np.unique(clusters[candidates], return_counts=True)
    return Selection(
        indices=indices,
        passes=np.zeros(len(indices), dtype=np.int64),
        clusters=clusters[indices],
        cluster_sizes=sizes[np.searchsorted(names, clusters[indices])],
        candidates=len(candidates),
    )
