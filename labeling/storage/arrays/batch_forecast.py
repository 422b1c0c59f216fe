"""Forecast from a sample of the pool which batch the settings would pick. Arrays and one small file.

The sample is a few stretches of the pool's items in the order of the dendrogram's leaves. In this order the items of a
cluster are neighbours, so that at any cut the clusters of the sample are whole, except at the ends of a stretch. For a
pool no larger than the sample, one stretch holds all items and the forecast is exact.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from labeling.storage.arrays.stored import check_form
from selector.candidates import MOST, fewest
from selector.strategies import STRATEGIES

SAMPLE, STRETCH = 50_000, 2_000
# Ranks whose margins the sample keeps: enough to know the rank of any margin to half a per cent.
EDGES = 4_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of the open items: those that no batch has taken and that are not reserved for control.

    margins (m,): by model version `version`; joined_by (m - 1,): the merge that joins two neighbours, at least `leaves`
    if none does; order (m,): places by margin, ties at random; ranks, edges (r,): margins `edges` at the ranks `ranks`,
    counted from 1, among all `open` items; leaves: the dendrogram's items, 0 if the pool is not clustered; batch: the
    number of the batch picked just before.
    """

    margins: np.ndarray
    joined_by: np.ndarray
    order: np.ndarray
    ranks: np.ndarray
    edges: np.ndarray
    open: int
    leaves: int
    version: int
    batch: int

    def __post_init__(self) -> None:
        items = len(self.margins)
        for name, length in {"margins": items, "order": items, "joined_by": max(items - 1, 0)}.items():
            check_form(name, getattr(self, name), 1, length)
        for name in ("ranks", "edges"):
            check_form(name, getattr(self, name), 1, len(self.ranks))

    @property
    def exact(self) -> bool:
        return len(self.margins) == self.open


@dataclass(frozen=True, slots=True)
class BatchForecast:
    """The forecast of a batch: means over the random draws. The fields of clusters are None without a clustering.

    candidates: their number. clusters: the number of clusters that contain candidates. most: the largest number of
    items drawn from one cluster; most_of: the candidates in that cluster. first_pass: the share of the batch drawn in
    the first pass, None if the strategy has no passes.
    """

    candidates: int
    highest_margin: float
    mean_margin: float
    clusters: int | None
    most: int | None
    most_of: int | None
    first_pass: float | None


def split_batch(others: int, reserved: int, *, batch_size: int, control_share: float) -> tuple[int, int]:
    """Return the numbers of picked items and control items in a batch from a pool with `reserved` items and `others`.

    The control items exceed the control share only if `others` do not fill the batch.
    """
    control = min(reserved, round(control_share * batch_size))
    control = max(control, min(reserved, batch_size - others))
    return min(batch_size - control, others), control


def draw_sample(
    margins: np.ndarray,
    joined_by: np.ndarray,
    *,
    leaves: int,
    version: int,
    batch: int,
    rng: np.random.Generator,
    most: int = SAMPLE,
    stretch: int = STRETCH,
) -> Sample:
    """Draw at most `most` of the open items: a stretch at a random place of each of `most / stretch` equal parts.

    Takes O(n log n) time.

    Parameters
    ----------
    margins : ndarray of shape (n,), float
        The margins of the open items, in the order of the dendrogram's leaves.
    joined_by : ndarray of shape (n - 1,), int64
        The merges that join neighbours in that order.
    leaves, version, batch : int
        As in `Sample`.
    rng : Generator
        It draws the places of the stretches and the order of equal margins.
    """
    n = len(margins)
    places, joined = np.arange(n), joined_by
    if n > most:
        parts = np.linspace(0, n, most // stretch + 1).astype(np.int64)
        starts = [int(rng.integers(low, max(low, high - stretch) + 1)) for low, high in pairwise(parts)]
        places = np.unique(np.concatenate([np.arange(start, min(start + stretch, n)) for start in starts]))
        # Two stretches have no cluster in common.
        joined = np.where(np.diff(places) == 1, joined_by[places[:-1]], np.iinfo(np.int64).max)
    chosen = margins[places]
    ranks = np.unique(np.geomspace(1, n, EDGES).astype(np.int64)) if n else np.empty(0, np.int64)
    return Sample(
        margins=chosen,
        joined_by=joined,
        order=np.lexsort((rng.random(len(chosen)), chosen)),
        ranks=ranks,
        edges=np.sort(margins)[ranks - 1],
        open=n,
        leaves=leaves,
        version=version,
        batch=batch,
    )


def forecast_batch(
    sample: Sample, *, strategy: str, picked: int, candidates: int | None, mean_cluster_size: float
) -> BatchForecast | None:
    """Forecast the batch that the strategy would pick. Takes O(m) time for a sample of m items.

    Parameters
    ----------
    sample : Sample
    strategy : str
    picked : int
        The number of items to pick from the whole pool.
    candidates : int or None
        The number of candidates in the whole pool. If None, enough for each picked item to come from a cluster of its
        own (`selector.candidates.sufficient_factor`).
    mean_cluster_size : float
        It decides the cut of the dendrogram.

    Returns
    -------
    BatchForecast or None
        None if no item is picked, or if margins do not decide the strategy's picks.
    """
    draws = STRATEGIES[strategy].draws if strategy in STRATEGIES else ""
    if not draws or not len(sample.margins) or picked < 1:
        return None
    clusters = _cut(sample, mean_cluster_size) if sample.leaves else None
    if candidates is None:
        candidates = _sufficient(sample, clusters, picked)
    candidates = min(candidates, sample.open)
    chosen = sample.order[: _candidates_in_sample(sample, candidates)]
    margins = sample.margins[chosen].astype(np.float64)
    highest = float(np.interp(candidates, sample.ranks, sample.edges))
    if clusters is None:
        mean = float(margins.mean()) if draws == "evenly" else float("nan")
        return None if np.isnan(mean) else BatchForecast(candidates, highest, mean, None, None, None, None)
    _, groups, sizes = np.unique(clusters[chosen], return_inverse=True, return_counts=True)
    share = len(chosen) / candidates
    if draws == "in passes":
        in_sample = max(1, round(picked * share))
        drawn, first = expected_draws(sizes, in_sample), min(len(sizes), in_sample) / in_sample
    else:  # every candidate has the same chance
        drawn, first = sizes * (min(picked, candidates) / candidates), None
    mean = float((drawn * np.bincount(groups, margins) / sizes).sum() / drawn.sum())
    most = int(np.lexsort((sizes, drawn))[-1])
    return BatchForecast(
        candidates=candidates,
        highest_margin=highest,
        mean_margin=mean,
        clusters=round(len(sizes) / share),
        most=max(1, round(float(drawn[most]))),
        most_of=int(sizes[most]),
        first_pass=first,
    )


def expected_draws(sizes: np.ndarray, n: int) -> np.ndarray:
    """Compute the expected number of items that each group gives when `n` are drawn in passes, smallest groups first.

    The mean over the random order of groups of equal size, which decides which groups the last pass reaches.

    Parameters
    ----------
    sizes : ndarray of shape (g,), int64
        The size of each group.
    n : int
        The number of items to draw; at most all.

    Returns
    -------
    ndarray of shape (g,), float64
    """
    n = min(n, int(sizes.sum()))
    low, high = 0, int(sizes.max(initial=0))
    while low < high:  # the largest number of full passes that draw at most n items
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(sizes, middle).sum() <= n else (low, middle - 1)
    drawn: np.ndarray = np.minimum(sizes, low).astype(np.float64)
    remaining = n - int(drawn.sum())
    larger, counts = np.unique(sizes[sizes > low], return_counts=True)
    before = np.cumsum(counts) - counts
    reached = np.clip((remaining - before) / counts, 0, 1)
    drawn[sizes > low] += reached[np.searchsorted(larger, sizes[sizes > low])]
    return drawn


def _sufficient(sample: Sample, clusters: np.ndarray | None, picked: int) -> int:
    """Return the candidates in the pool that fall in `picked` clusters: clusters are whole in the sample."""
    if clusters is None:
        return picked
    share = len(sample.margins) / sample.open
    limit = min(len(clusters), max(1, round(MOST * picked * share)))
    enough = fewest(clusters[sample.order[:limit]], max(1, round(picked * share))) or limit
    return max(picked, min(round(enough / share), round(MOST * picked)))


def _candidates_in_sample(sample: Sample, candidates: int) -> int:
    """Return the number of candidates in the sample: up to the largest margin of a candidate in the pool."""
    m = len(sample.margins)
    if sample.exact:
        return candidates
    ordered, edge = sample.margins[sample.order], np.interp(candidates, sample.ranks, sample.edges)
    low, high = np.searchsorted(ordered, edge, "left"), np.searchsorted(ordered, edge, "right")
    return max(1, int(np.clip(round(candidates * m / sample.open), low, high)))


def _cut(sample: Sample, mean_cluster_size: float) -> np.ndarray:
    """Cluster ids (m,): the clusters of `Dendrogram.cut(mean_cluster_size=…)`, numbered in leaf order."""
    made = sample.leaves - max(round(sample.leaves / mean_cluster_size), 1)
    return np.concatenate([[0], np.cumsum(sample.joined_by >= made)])
