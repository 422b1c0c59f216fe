"""Regular work of a worker beside its steps: recount counters once a day, and refresh PostgreSQL's statistics."""

from __future__ import annotations

import datetime
import logging

from django.db import connection

from labeling.labels import counting, label_counts
from labeling.models import Batch
from labeling.storage.db.statements import analyze, rows

logger = logging.getLogger(__name__)

DAY = datetime.timedelta(days=1)
# The first recount begins this long after the worker, which has more urgent work at its start.
FIRST = datetime.timedelta(hours=1)
# Tables with fewer changed rows keep their statistics: every plan reads a small table quickly.
FEW = 1000


class Recounts:
    """Recounts every batch once a day, at most two at a call, and stores the label counts of done batches."""

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


def refresh_statistics(now: datetime.datetime) -> None:
    """Analyze each table of this application in which more rows have changed than it had at the last analysis.

    PostgreSQL reuses the plan of a repeated statement until the statistics of its tables change, which autovacuum does
    only after a minute or more. On a new installation, or at the beginning of a first large project, claims would until
    then scan whole tables, by plans made for empty ones.
    """
    if connection.vendor != "postgresql":
        return
    grown = rows(
        """
        SELECT s.relname FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
        WHERE s.schemaname = current_schema() AND s.relname LIKE %s
        AND s.n_mod_since_analyze > %s AND s.n_mod_since_analyze > c.reltuples
        """,
        ["labeling\\_%", FEW],
    )
    for (table,) in grown:
        analyze(table)
