"""Metrics of the time that annotators wait for tasks. No page shows them."""

from __future__ import annotations

import datetime

from labeling.models import Membership
from labeling.observing.metrics import CLAIMS, IDLE_SECONDS

# The `Claim.reason`s that do not count as waiting: no task comes before a manager acts or a new day begins.
AT_REST = {"limit_reached", "paused", "on_hold", "stopped", "finished", "no_items"}
# Most annotators who wait longer have left; the server does not learn when.
LONGEST = datetime.timedelta(hours=1)


def note(membership: Membership, reason: str, now: datetime.datetime) -> None:
    """Count a claim. `reason`: why it returned no tasks; empty if it returned tasks.

    Writes to the database only if the member begins or ceases to wait. When the wait ends, add its time, at most
    `LONGEST`, to the metric.
    """
    CLAIMS.labels(reason or "tasks").inc()
    waits, since = bool(reason) and reason not in AT_REST, membership.waiting_since
    if waits == (since is not None):
        return
    same = Membership.objects.filter(pk=membership.pk, waiting_since=since)
    # A concurrent claim of the same member may have changed the row first.
    if same.update(waiting_since=now if waits else None) and since is not None:
        # The difference is negative if the clock was set back.
        IDLE_SECONDS.inc(max(0.0, min(now - since, LONGEST).total_seconds()))
