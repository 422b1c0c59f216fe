"""What the settings would pick from the pool, forecast from a sample of it. Arrays and one small file; no network.

The sample is a few stretches of the pool's items in the order in which the dendrogram lines them up: there each
cluster lies together, so that clusters are whole in the sample at any cut, but for the two at the ends of a stretch. A
pool that is no larger than the sample is one stretch, and the forecast is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from selector.candidates import MOST, fewest
from selector.strategies import STRATEGIES

SAMPLE, STRETCH = 50_000, 2_000
# Places in the order of all margins that are kept: which margin has a place is then known to half a per cent of it.
EDGES = 4_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Items that no batch has taken and that are not kept for control, as model version `version` saw them.

    margins (m,); joined_by (m - 1,): the merge that joins two neighbours, at least `leaves` where none does; order
    (m,): places by margin, ties at random; ranks, edges (r,): the margins at some ranks, counted from 1, among all
    `open` items. `leaves`: the dendrogram's items, 0 if the pool is not clustered. `batch`: the one that had just been
    picked.
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

    @property
    def exact(self) -> bool:
        return len(self.margins) == self.open


@dataclass(frozen=True, slots=True)
class BatchForecast:
    """The batch that would be picked; means over all that is random. Clusters are None where none are known.

    candidates: that it is drawn from. clusters: that they fall in. most: items that one cluster gives at most; most_of:
    candidates in that cluster. first_pass: share of the batch that is drawn in the first pass, None where there are no
    passes.
    """

    candidates: int
    highest_margin: float
    mean_margin: float
    clusters: int | None
    most: int | None
    most_of: int | None
    first_pass: float | None


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
    """A sample of at most `most` of the open items, from their margins (n,) and joining merges (n - 1,) in line.

    One stretch of each of `most / stretch` equal parts of the line, at a random place. Takes O(n log n) time.
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
    """The batch that the strategy would pick. None where nothing is picked, or where margins do not decide what is.

    picked, candidates: in the whole pool; without `candidates`, as many as it takes for each item to come from another
    cluster (`selector.candidates.sufficient_factor`). Takes O(m) time, m being the sample's size.
    """
    draws = STRATEGIES[strategy].draws if strategy in STRATEGIES else ""
    if not draws or not len(sample.margins) or picked < 1:
        return None
    clusters = _cut(sample, mean_cluster_size) if sample.leaves else None
    if candidates is None:
        candidates = _sufficient(sample, clusters, picked)
    candidates = min(candidates, sample.open)
    chosen = sample.order[: _how_many(sample, candidates)]
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
    """How many items each group gives, (g,) floats, when `n` are drawn in passes, the smallest groups first.

    The mean over the random order of groups of equal size, which decides who is still reached in the last pass.
    """
    n = min(n, int(sizes.sum()))
    low, high = 0, int(sizes.max(initial=0))
    while low < high:  # the full passes: as many as can be made without drawing more than is wanted
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
    """How many candidates fall in `picked` clusters, in the whole pool: clusters are whole in the sample."""
    if clusters is None:
        return picked
    share = len(sample.margins) / sample.open
    limit = min(len(clusters), max(1, round(MOST * picked * share)))
    enough = fewest(clusters[sample.order[:limit]], max(1, round(picked * share))) or limit
    return max(picked, min(round(enough / share), round(MOST * picked)))


def _how_many(sample: Sample, candidates: int) -> int:
    """How many of the sample's items are candidates: those up to the margin of the last one in the whole pool."""
    m = len(sample.margins)
    if sample.exact:
        return candidates
    ordered, edge = sample.margins[sample.order], np.interp(candidates, sample.ranks, sample.edges)
    low, high = np.searchsorted(ordered, edge, "left"), np.searchsorted(ordered, edge, "right")
    return max(1, int(np.clip(round(candidates * m / sample.open), low, high)))


def _cut(sample: Sample, mean_cluster_size: float) -> np.ndarray:
    """Cluster ids (m,), as `Dendrogram.cut(mean_cluster_size=…)` makes them, but for their numbers."""
    made = sample.leaves - max(round(sample.leaves / mean_cluster_size), 1)
    return np.concatenate([[0], np.cumsum(sample.joined_by >= made)])
