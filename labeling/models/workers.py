"""Which workers are there."""

from __future__ import annotations

from django.db import models


class WorkerSign(models.Model):
    """When a worker was last seen, whatever it is at. The row of a worker that has ended goes after a day."""

    name = models.CharField(max_length=300, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}, seen at {self.seen_at:%Y-%m-%d %H:%M:%S}"
