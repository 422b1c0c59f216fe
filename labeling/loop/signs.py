"""Signs of life of workers, by which pages and monitors see whether any worker runs."""

import datetime

from labeling.models import WorkerSign
from labeling.models.jobs import worker_name

# The time between two signs of a worker, which calls `Signs` every five seconds.
EVERY = datetime.timedelta(seconds=15)
MISSED_SECONDS = 60
KEPT = datetime.timedelta(days=1)


class Signs:
    """Stores a sign of life of this worker, and removes signs that are older than a day."""

    def __init__(self) -> None:
        self._name = worker_name()
        self._given: datetime.datetime | None = None

    def __call__(self, now: datetime.datetime) -> None:
        if self._given is not None and abs(now - self._given) < EVERY:
            return
        self._given = now
        WorkerSign.objects.bulk_create(
            [WorkerSign(name=self._name, seen_at=now)],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["seen_at"],
        )
        WorkerSign.objects.filter(seen_at__lt=now - KEPT).delete()


def alive(now: datetime.datetime) -> int:
    """Return the number of workers with a sign within a minute of `now`, before or after: clocks may be set back."""
    missed = datetime.timedelta(seconds=MISSED_SECONDS)
    return WorkerSign.objects.filter(seen_at__gte=now - missed, seen_at__lte=now + missed).count()
