"""The ways of picking a batch, by name, behind one signature."""

from collections.abc import Callable

import numpy as np

from selector.candidates import sufficient_factor
from selector.checks import factor, generator, whole_number
from selector.cluster_margin import Selection, select
from selector.strategies import badge, coreset, ranked
from selector.strategies.pool import PoolArrays

__all__ = ["NEEDS", "STRATEGIES", "PoolArrays", "Selection", "pick", "settle_factor"]

Progress = Callable[[float], None]

# The arrays that each cannot do without.
NEEDS: dict[str, tuple[str, ...]] = {
    "cluster-margin": ("margins", "clusters"),
    "uniform": (),
    "margin": ("margins",),
    "entropy": ("entropies",),
    "coreset": ("embeddings",),
    "badge": ("embeddings", "errors"),
}
STRATEGIES = tuple(NEEDS)


def settle_factor(strategy: str, pool: PoolArrays, *, batch_size: int, candidate_factor: float | None) -> float | None:
    """The candidate_factor to pick with: the one given, or in its place the smallest that is sufficient.

    None where none is given and the strategy does not look at it. Found once, before a batch is picked, and kept with
    it: then the number alone replays the batch, a guarded one too. Raises ValueError as `candidates.sufficient_factor`.
    """
    if candidate_factor is not None or strategy != "cluster-margin":
        return candidate_factor
    if pool.margins is None or pool.clusters is None:
        raise ValueError("margins and clusters must be given to find a candidate_factor")
    return sufficient_factor(pool.margins, pool.clusters, batch_size=batch_size)


def pick(
    strategy: str,
    pool: PoolArrays,
    *,
    batch_size: int,
    candidate_factor: float = 1.0,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Selection:
    """Pick the next batch from the unlabeled pool by the strategy named: k_t = min(batch_size, n) distinct items.

    "cluster-margin": `cluster_margin.select`. The only one that looks at candidate_factor.
    "uniform": uniformly at random. The candidates are the whole pool.
    "margin": the smallest margins, smallest first, equal ones in random order. The candidates are the batch itself.
    "entropy": the largest entropies, largest first, in the same way.
    "coreset": `coreset.pick`. The candidates are the whole pool.
    "badge": `badge.pick`. The candidates are the whole pool.

    All but the first visit no clusters: their passes are 0. Where the pool has clusters, they are told none the less.
    progress: called with the share done, by those that take long.
    The same arrays and generator state give the same batch. Raises ValueError, naming the argument, on an unknown
    strategy, an array that it NEEDS and that is missing or unfit, or a number out of range.

    >>> pool = PoolArrays(size=4, entropies=[.2, .9, .1, .5])
    >>> pick("entropy", pool, batch_size=2, rng=np.random.default_rng(0)).indices.tolist()
    [1, 3]
    """
    if strategy not in NEEDS:
        raise ValueError(f"unknown strategy {strategy!r}; known: {', '.join(STRATEGIES)}")
    missing = [name for name in NEEDS[strategy] if getattr(pool, name) is None]
    if missing:
        raise ValueError(f"{missing[0]} must be given for the strategy {strategy!r}")
    wanted = min(whole_number(batch_size, "batch_size", least=0), pool.size)
    generator(rng)
    candidate_factor = factor(candidate_factor, "candidate_factor")
    if strategy == "cluster-margin":
        assert pool.margins is not None
        assert pool.clusters is not None
        return select(pool.margins, pool.clusters, batch_size=wanted, candidate_factor=candidate_factor, rng=rng)
    if strategy == "coreset":
        return ranked.in_one_pass(coreset.pick(pool, wanted, rng, progress), pool, candidates=None)
    if strategy == "badge":
        return ranked.in_one_pass(badge.pick(pool, wanted, rng, progress), pool, candidates=None)
    return ranked.pick(strategy, pool, wanted, rng)
