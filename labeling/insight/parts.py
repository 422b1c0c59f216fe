"""How the parts of a batch fare that are kept for people and groups."""

from __future__ import annotations

from dataclasses import dataclass

from labeling.answering.parts import annotators_of
from labeling.models import Batch, BatchPart


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part, its tasks that lack answers, and how many members can answer them: with none, the batch waits for it."""

    part: BatchPart
    unanswered: int
    people: int


def parts_of(batch: Batch) -> list[PartRecord]:
    """The batch's parts in its order. Two queries each, and there are few."""
    return [
        PartRecord(
            part,
            batch.tasks.unanswered().filter(rank__gte=part.start, rank__lt=part.stop).count(),
            annotators_of(batch, part.user, part.group).count(),
        )
        for part in batch.parts.select_related("user")
    ]
