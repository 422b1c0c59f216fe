"""Release items that are reserved for control, so that a model may label them."""

from __future__ import annotations

import math

from labeling.loop.step import Step
from labeling.models import Project
from labeling.storage.db.long_writes import in_parts
from labeling.storage.db.statements import among

PART = 1500
"""Items per transaction: other writers wait for its end."""


def kept(project: Project, tasks: float) -> int:
    """Return how many control items are asked by batches of this number of tasks, by one batch at least."""
    return math.ceil(project.control_share * max(tasks, project.batch_size))


def release(step: Step, project: Project, *, keep: int) -> None:
    """Release the reserved items that no batch has taken, except the `keep` that batches ask next.

    The released ones stand at the end of the random permutation, and the last one is released first: so the control
    slice stays a uniform draw, even if the step is killed. They are items like all others from now on: batches pick
    them, models learn from them, audits have them among their candidates. A release may be repeated.
    """
    reserved = project.items.unpicked().filter(reserved=True).order_by("control_key")
    keys = list(reserved.values_list("pk", flat=True)[keep:])[::-1]
    for part in in_parts(keys, PART):
        with step.write():
            # A batch that has taken an item meanwhile keeps it as a control item.
            project.items.unpicked().filter(pk__in=among(part)).update(reserved=False)
