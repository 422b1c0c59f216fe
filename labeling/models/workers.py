"""Signs of life of workers."""

from __future__ import annotations

from django.db import models


class WorkerSign(models.Model):
    """The time of a worker's last sign of life. Rows older than a day are removed."""

    name = models.CharField(max_length=300, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}, seen at {self.seen_at:%Y-%m-%d %H:%M:%S}"
