"""How long people wait for tasks, for whoever watches the installation. No page shows it."""

from __future__ import annotations

import datetime

from labeling.metrics import CLAIMS, IDLE_SECONDS
from labeling.models import Membership

# Reasons for a claim without tasks by which nobody waits: there will be none before somebody decides so.
AT_REST = {"limit_reached", "paused", "on_hold", "stopped", "finished", "no_items"}
# Whoever has waited for so long has mostly left, which nobody is told of.
LONGEST = datetime.timedelta(hours=1)


def note(membership: Membership, reason: str, now: datetime.datetime) -> None:
    """Count a claim that ended with tasks, or without for this `reason`.

    Writes only where somebody begins or ceases to wait: then the time is counted, at most `LONGEST`.
    """
    CLAIMS.labels(reason or "tasks").inc()
    waits, since = bool(reason) and reason not in AT_REST, membership.waiting_since
    if waits == (since is not None):
        return
    same = Membership.objects.filter(pk=membership.pk, waiting_since=since)
    # Another claim of theirs may have been quicker.
    if same.update(waiting_since=now if waits else None) and since is not None:
        # The clock may have been set back meanwhile.
        IDLE_SECONDS.inc(max(0.0, min(now - since, LONGEST).total_seconds()))
