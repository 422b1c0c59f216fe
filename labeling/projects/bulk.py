"""Change all items that match a filter: a request records the change, and the worker carries it out in small parts.

The worker goes through the items in the order of their ids, up to the last item at the time of the request. An
interrupted part is repeated: to change an item a second time has no effect.
"""

import datetime
import time
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.labels.items.filter import FilterError
from labeling.labels.items.item_filters import matching, read_filter
from labeling.models import BulkChange, LogKind, Project, User
from labeling.models.removals import BulkChangeQuerySet
from labeling.observing import auditlog
from labeling.queue.changing import Change
from labeling.queue.removing import RemovalError

PART = 200
# Pages show finished changes for this long.
SHOWN = datetime.timedelta(minutes=30)


@transaction.atomic
def ask(*, project: Project, user: User, filters: Mapping[str, str], change: Change) -> BulkChange:
    """Record a change of all items that match `filters`, for the worker; `change` has no ids. Raises `FilterError`."""
    items = matching(project, read_filter(project, filters))
    bulk = BulkChange.objects.create(
        project=project,
        user=user,
        action=change.action,
        filters=dict(filters),
        reason=change.reason,
        value=change.value,
        last_item=project.items.order_by("-pk").values_list("pk", flat=True).first() or 0,
        total=items.count(),
    )
    # Without the filter, which may name a person: the row of the change has it.
    after = {"action": change.action, "count": bulk.total, "value": change.value}
    auditlog.record(LogKind.ITEMS_CHANGED, project=project, subject=f"change {bulk.pk}", after=after)
    return bulk


def under_way(project: Project) -> BulkChangeQuerySet:
    """Return unfinished changes, and changes that ended within `SHOWN`, the newest first."""
    lately = BulkChange.objects.filter(project=project, finished_at__gt=timezone.now() - SHOWN)
    unfinished: BulkChangeQuerySet = BulkChange.objects.unfinished().filter(project=project)
    return (unfinished | lately).select_related("user").order_by("-pk")


def carry_on(seconds: float) -> None:
    """Carry out due changes for about this many seconds. A pause as long as the part follows each part."""
    until = time.monotonic() + seconds
    for bulk in BulkChange.objects.due().select_related("project", "user"):
        began = time.monotonic()
        while _change_part(bulk):
            now = time.monotonic()
            if now > until:
                return
            time.sleep(now - began)
            began = time.monotonic()


def _change_part(bulk: BulkChange) -> bool:
    """Change the next `PART` items. Returns whether the change has more items that can be changed now."""
    held = BulkChange.objects.unfinished().filter(pk=bulk.pk, position=bulk.position)
    try:
        items = matching(bulk.project, read_filter(bulk.project, bulk.filters))
        items = items.filter(pk__gt=bulk.position, pk__lte=bulk.last_item).order_by("pk")
        ids = list(items.values_list("pk", flat=True)[:PART])
        if not ids:
            held.update(finished_at=timezone.now())
            return False
        with auditlog.part_of_one():
            effect = Change(bulk.action, ids, bulk.reason, bulk.value).carry_out(bulk.project, bulk.user)
    except FilterError as error:  # the filter names a class or batch that was removed
        held.update(finished_at=timezone.now(), failure=str(error)[:300])
        return False
    except RemovalError:  # other transactions hold these items: try again later
        return False
    fields: dict[str, Any] = {"position": ids[-1], "seen": F("seen") + len(ids), "changed": F("changed") + effect.items}
    held.update(**fields)  # no row if another worker has moved the position on
    bulk.refresh_from_db(fields=["position", "finished_at"])
    return bulk.finished_at is None
