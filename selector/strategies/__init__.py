"""The ways of picking a batch, by name, behind one signature."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from selector.candidates import sufficient_factor
from selector.checks import factor, generator, whole_number
from selector.cluster_margin import Selection, select
from selector.sharded import Workers
from selector.strategies import badge, coreset, ranked
from selector.strategies.pool import PoolArrays

__all__ = ["KNOWN", "NEEDS", "STRATEGIES", "PoolArrays", "Selection", "Strategy", "pick", "settle_factor"]

Progress = Callable[[float], None]


class Strategy(NamedTuple):
    """A way of picking, and what whoever calls it must know of it."""

    needs: tuple[str, ...]
    """The arrays of `PoolArrays` that it cannot do without."""
    pick: Callable[[PoolArrays, int, float, np.random.Generator, Progress | None, Workers | None], Selection]
    """So many items of the pool. Behind these: candidate_factor, the generator, a callback for the share done, and the
    workers that look at the pool."""
    by_candidates: bool = True
    """Whether it looks at some of the pool alone, which the selection counts as its candidates."""
    apart_from_labeled: bool = False
    """Whether `centre_embeddings` are to be those of the labeled items."""


def _cluster_margin(
    pool: PoolArrays, batch_size: int, candidate_factor: float, rng: np.random.Generator, *_: object
) -> Selection:
    assert pool.margins is not None
    assert pool.clusters is not None
    return select(pool.margins, pool.clusters, batch_size=batch_size, candidate_factor=candidate_factor, rng=rng)


def _ranked(name: str) -> Callable[..., Selection]:
    return lambda pool, batch_size, candidate_factor, rng, *_: ranked.pick(name, pool, batch_size, rng)


def _spread(picker: Callable[..., np.ndarray]) -> Callable[..., Selection]:
    return lambda pool, batch_size, candidate_factor, rng, progress, workers: ranked.in_one_pass(
        picker(pool, batch_size, rng, progress, workers), pool, candidates=None
    )


KNOWN: dict[str, Strategy] = {
    "cluster-margin": Strategy(("margins", "clusters"), _cluster_margin),
    "uniform": Strategy((), _ranked("uniform"), by_candidates=False),
    "margin": Strategy(("margins",), _ranked("margin")),
    "entropy": Strategy(("entropies",), _ranked("entropy")),
    "coreset": Strategy(("embeddings",), _spread(coreset.pick), by_candidates=False, apart_from_labeled=True),
    "badge": Strategy(("embeddings", "errors"), _spread(badge.pick), by_candidates=False),
}
STRATEGIES = tuple(KNOWN)
NEEDS = {name: strategy.needs for name, strategy in KNOWN.items()}


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
    workers: Workers | None = None,
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
    workers: who looks at the pool, for those that take long, if not this process. The batch is the same.
    The same arrays and generator state give the same batch. Raises ValueError, naming the argument, on an unknown
    strategy, an array that it NEEDS and that is missing or unfit, or a number out of range.

    >>> pool = PoolArrays(size=4, entropies=[.2, .9, .1, .5])
    >>> pick("entropy", pool, batch_size=2, rng=np.random.default_rng(0)).indices.tolist()
    [1, 3]
    """
    if strategy not in KNOWN:
        raise ValueError(f"unknown strategy {strategy!r}; known: {', '.join(STRATEGIES)}")
    missing = [name for name in KNOWN[strategy].needs if getattr(pool, name) is None]
    if missing:
        raise ValueError(f"{missing[0]} must be given for the strategy {strategy!r}")
    batch_size = min(whole_number(batch_size, "batch_size", least=0), pool.size)
    generator(rng)
    candidate_factor = factor(candidate_factor, "candidate_factor")
    return KNOWN[strategy].pick(pool, batch_size, candidate_factor, rng, progress, workers)
