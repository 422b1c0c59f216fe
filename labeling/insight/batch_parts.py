"""The progress of the parts of a batch that are kept for people and groups."""

from __future__ import annotations

from dataclasses import dataclass

from labeling.models import Batch, BatchPart
from labeling.queue.parts import annotators_of


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part of a batch, the number of its unanswered tasks, and of the people who can answer them.

    Without any such person the batch cannot become complete.
    """

    part: BatchPart
    unanswered: int
    people: int


def parts_of(batch: Batch) -> list[PartRecord]:
    """Return the batch's parts by rank. Takes two queries for each part; a batch has few."""
    return [
        PartRecord(
            part,
            batch.tasks.unanswered().filter(rank__gte=part.start, rank__lt=part.stop).count(),
            annotators_of(batch, part.user, part.group).count(),
        )
        for part in batch.parts.select_related("user")
    ]
