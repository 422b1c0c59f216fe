"""The daily recount, which compares counters with the counted rows."""

from __future__ import annotations

import datetime
import logging

from labeling.answering import counting, label_counts
from labeling.models import Batch

logger = logging.getLogger(__name__)

DAY = datetime.timedelta(days=1)
# The first recount begins this long after the worker, which has more urgent work at its start.
FIRST = datetime.timedelta(hours=1)


class Recounts:
    """Recounts every batch once a day and stores the label counts of done batches. Each call recounts at most two
    batches, so that it does not delay the worker's other checks.
    """

    def __init__(self) -> None:
        self._due: list[int] = []
        self._next: datetime.datetime | None = None

    def __call__(self, now: datetime.datetime) -> None:
        uncounted = Batch.objects.filter(state=Batch.State.DONE, label_counts=None).first()
        if uncounted is not None:
            recount(uncounted)
        if self._next is None:
            self._next = now + FIRST
        if now >= self._next:
            self._next = now + DAY
            self._due = list(Batch.objects.order_by("-pk").values_list("pk", flat=True))
        batch = Batch.objects.filter(pk=self._due.pop()).first() if self._due else None
        if batch is not None:
            recount(batch)


def recount(batch: Batch) -> list[str]:
    """Correct the batch's counters and store its label counts. Log and return a line for each counter that differed."""
    lines = counting.recount(batch)
    for line in lines:
        logger.warning("Mended a counter. %s", line)
    label_counts.store_counts(batch)
    return lines
