"""What settings lead to, before they are saved. Values in, words out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labeling.models import Project
from labeling.web.words import count, number, percent


@dataclass(frozen=True, slots=True)
class Pool:
    """Items that no batch has taken, and how many of them are kept for control."""

    unlabeled: int
    reserved: int


@dataclass(frozen=True, slots=True)
class NextBatch:
    """`picked` of the `candidates` that the model doubts most, and `control` at random."""

    picked: int
    candidates: int
    control: int


def next_batch(pool: Pool, *, batch_size: int, candidate_factor: float, control_share: float) -> NextBatch:
    """What the selection would make of the pool: the sizes that `pipeline.plan.plan_batch` comes to."""
    others = pool.unlabeled - pool.reserved
    control = min(pool.reserved, round(control_share * batch_size))
    control = max(control, min(pool.reserved, batch_size - others))
    picked = min(batch_size - control, others)
    return NextBatch(picked, min(others, round(candidate_factor * picked)), control)


def consequence(pool: Pool, *, strategy: str, batch_size: int, candidate_factor: float, control_share: float) -> str:
    """The next batch in two sentences."""
    if not pool.unlabeled:
        return "No item is left to label. The settings hold for items that come later."
    batch = next_batch(pool, batch_size=batch_size, candidate_factor=candidate_factor, control_share=control_share)
    how = {
        Project.Strategy.CLUSTER_MARGIN: f"of the {count(batch.candidates, 'item')} that the model doubts most",
        Project.Strategy.MARGIN: "that the model doubts most",
        Project.Strategy.UNIFORM: "at random",
    }[Project.Strategy(strategy)]
    size = batch.picked + batch.control
    return (
        f"Next batch: {number(batch.picked)} {how}, and {number(batch.control)} at random for control. "
        f"That is {percent(size / pool.unlabeled)} of the {count(pool.unlabeled, 'unlabeled item')}: "
        f"{count(math.ceil(pool.unlabeled / batch_size), 'round')} until none is left."
    )
