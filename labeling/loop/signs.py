"""Signs of life of workers, for those who ask whether background steps are run at all."""

from __future__ import annotations

import datetime

from labeling.models import WorkerSign
from labeling.models.jobs import worker_name

# A worker looks around every five seconds, and gives a sign after so many.
EVERY = datetime.timedelta(seconds=15)
MISSED_SECONDS = 60
KEPT = datetime.timedelta(days=1)


class Signs:
    """Writes down that this worker is there, and removes the signs of workers that were not seen for a day."""

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
    """How many workers were seen within the last minute. A later sign was given before the clock was set back."""
    missed = datetime.timedelta(seconds=MISSED_SECONDS)
    return WorkerSign.objects.filter(seen_at__gte=now - missed, seen_at__lte=now + missed).count()
