"""Deliver what waits for a row, such as a webhook or a mailbox, at least once.

A worker holds the row while it sends. If the worker dies, another one sends the same as soon as the hold is over, and
the result of the first one is not stored any more. A try that fails is repeated after a pause, which grows.
"""

import datetime
import secrets
import uuid
from typing import Any, NamedTuple

from django.db.models import QuerySet


class Pauses(NamedTuple):
    """The pauses between tries: each is twice the one before, up to the longest one. Each is up to the share `spread`
    longer than that, so that receivers which failed together are not asked together again.

    >>> Pauses(60, 3600).after(3)
    datetime.timedelta(seconds=240)
    """

    first_seconds: int
    longest_seconds: int
    spread: float = 0.0

    def after(self, tries: int) -> datetime.timedelta:
        """Return the pause after this number of tries, at least one."""
        seconds = min(self.first_seconds * 2 ** (tries - 1), self.longest_seconds)
        return datetime.timedelta(seconds=seconds * (1 + self.spread * secrets.randbelow(1001) / 1000))


def hold(free: QuerySet[Any], until: datetime.datetime) -> str:
    """Hold the row that `free`, a query without held rows, finds. Return the name of the hold; "" if there is none.

    `free` has no conditions on other tables: they would not be checked again after a wait for another worker's update.
    """
    name = uuid.uuid4().hex
    return name if free.update(held_by=name, held_until=until) else ""


def release(rows: QuerySet[Any], held_by: str, **result: Any) -> bool:
    """Store the result of a try, and let the row go. Return False, and store nothing, if another worker took it over
    after the hold.
    """
    return bool(rows.filter(held_by=held_by).update(held_by="", held_until=None, **result))
