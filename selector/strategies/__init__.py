"""The strategies: all ways of picking a batch, with their facts for forms and documentation.

To add a strategy, add a module here with a function `pick`, and its entry to `STRATEGIES`. Web processes read the
facts, so a strategy's module, which may compile loops, is loaded when it first picks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import numpy as np

from selector.candidates import sufficient_factor
from selector.checks import factor, generator, whole_number
from selector.strategies.pool import PoolArrays

if TYPE_CHECKING:
    from selector.cluster_margin import Selection
    from selector.sharded import Workers

__all__ = ["STRATEGIES", "PoolArrays", "Strategy", "choices", "pick", "settle_factor"]


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """The facts about a strategy, for the selection, forms and documentation. Texts have no full stop."""

    name: str
    title: str
    takes: str
    """Which items, in a line for the person who chooses a strategy."""
    reason: str = ""
    """Why an item is in the batch, for the person who looks at it. Items of Cluster-Margin name their cluster."""
    looks: str = ""
    """With the whole pool as candidates: what the strategy looks for in it."""
    picker: str
    """The module here, and its function: (pool, batch_size, rng, **options) → Selection."""
    needs: tuple[str, ...] = ()
    """The arrays of `PoolArrays` that it cannot do without."""
    candidates: Literal["factor", "batch", "pool"]
    """What a batch is drawn from: as many items as `candidate_factor` says, the batch itself, or the whole pool."""
    draws: Literal["in passes", "evenly", ""] = ""
    """How the batch is drawn from the candidates of smallest margin. Empty: margins do not decide."""
    apart_from_labeled: bool = False
    """Whether `centre_embeddings` are to be those of the labeled items."""
    compares_all: bool = False
    """Whether it looks at the whole pool for each item picked, which takes long with large batches."""
    fair: bool = False
    """Whether the picks are a fair sample of the pool: no model decides."""


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            name="cluster-margin",
            title="Cluster-Margin",
            takes="what the model is least sure of, without near-duplicates",
            picker="ranked.cluster_margin",
            needs=("margins", "clusters"),
            candidates="factor",
            draws="in passes",
        ),
        Strategy(
            name="margin",
            title="Margin",
            takes="what the model is least sure of, near-duplicates included",
            reason="Picked because the model could hardly decide between two answers",
            picker="ranked.margin",
            needs=("margins",),
            candidates="batch",
            draws="evenly",
        ),
        Strategy(
            name="entropy",
            title="Entropy",
            takes="what it is least sure of over all classes, not only the best two",
            reason="Picked because the model's probability is spread over many answers",
            picker="ranked.entropy",
            needs=("entropies",),
            candidates="batch",
        ),
        Strategy(
            name="coreset",
            title="CoreSet",
            takes="what is unlike anything labeled yet, broken items included",
            reason="Picked because it differs from everything labeled or picked before",
            looks="for what is unlike the rest",
            picker="coreset.pick",
            needs=("embeddings",),
            candidates="pool",
            apart_from_labeled=True,
            compares_all=True,
        ),
        Strategy(
            name="badge",
            title="BADGE",
            takes="what would change the model most, each in another direction",
            reason="Picked because its answer would change the model a lot, in another way than the others picked",
            looks="for what would change the model most",
            picker="badge.pick",
            needs=("embeddings", "errors"),
            candidates="pool",
            compares_all=True,
        ),
        Strategy(
            name="typicality",
            title="Typicality",
            takes="the most typical items of groups that have few labels, for projects with few labels",
            reason="Picked because it is typical of a group of similar items that had few labels",
            looks="for what is typical of groups with few labels",
            picker="typicality.pick",
            needs=("embeddings",),
            candidates="pool",
            apart_from_labeled=True,
        ),
        Strategy(
            name="uniform",
            title="Uniform",
            takes="at random, to compare with",
            reason="Drawn at random",
            looks="at random",
            picker="ranked.uniform",
            candidates="pool",
            draws="evenly",
            fair=True,
        ),
    )
}
"""By name, in the order in which people choose."""


def choices() -> list[tuple[str, str]]:
    """Return the choices for the database and forms: (name, label). A function, so that a new strategy needs no
    migration.
    """
    return [(strategy.name, f"{strategy.title}: {strategy.takes}") for strategy in STRATEGIES.values()]


def settle_factor(strategy: str, pool: PoolArrays, *, batch_size: int, candidate_factor: float | None) -> float | None:
    """Return the candidate_factor to pick with: the given one, or the smallest sufficient one.

    None if none is given and the strategy has no candidates by factor. The batch stores the result before it is picked,
    so that the number suffices to repeat the selection, with a class guard too. Raises ValueError as
    `candidates.sufficient_factor`.
    """
    if candidate_factor is not None or STRATEGIES[strategy].candidates != "factor":
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
    progress: Callable[[float], None] | None = None,
    workers: Workers | None = None,
) -> Selection:
    """Pick the next batch from the unlabeled pool by a strategy: k_t = min(batch_size, n) distinct items.

    The strategy's `picker` function decides on the items and their order. For strategies without passes, `passes` is 0.
    The selection names clusters if the pool has them.

    Parameters
    ----------
    candidate_factor: k_m / k_t, for strategies whose `candidates` are "factor".
    progress: called with the share done, by slow strategies.
    workers: the processes that read the pool for slow strategies; by default, this one. They do not affect the batch.

    The same arrays and generator state give the same batch. Raises ValueError, naming the argument, for an unknown
    strategy, a missing or invalid array that the strategy needs, or a number out of range.

    >>> pool = PoolArrays(size=4, entropies=[.2, .9, .1, .5])
    >>> pick("entropy", pool, batch_size=2, rng=np.random.default_rng(0)).indices.tolist()
    [1, 3]
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; known: {', '.join(STRATEGIES)}")
    facts = STRATEGIES[strategy]
    missing = [name for name in facts.needs if getattr(pool, name) is None]
    if missing:
        raise ValueError(f"{missing[0]} must be given for the strategy {strategy!r}")
    batch_size = min(whole_number(batch_size, "batch_size", least=0), pool.size)
    generator(rng)
    candidate_factor = factor(candidate_factor, "candidate_factor")
    module, function = facts.picker.split(".")
    picker: Callable[..., Selection] = getattr(import_module(f"selector.strategies.{module}"), function)
    return picker(pool, batch_size, rng, candidate_factor=candidate_factor, progress=progress, workers=workers)
