"""Changing all items that match, however many: asked for by a request, carried out by the worker in small parts.

Items are walked in the order of their ids, those that were there when it was asked for. To change an item twice changes
nothing more: a part that was interrupted is done again.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from typing import Any

from django.db.models import F
from django.utils import timezone

from labeling.answering.changing import Change
from labeling.answering.removing import RemovalError
from labeling.items.filter import FilterError
from labeling.items.filters import matching, read_filter
from labeling.models import BulkChange, Project, User
from labeling.models.removals import BulkChangeQuerySet

PART = 200
# Finished ones are told for a while.
SHOWN = datetime.timedelta(minutes=30)


def ask(*, project: Project, user: User, filters: Mapping[str, str], change: Change) -> BulkChange:
    """Have all items that match changed; `change` names none. Raises `FilterError`."""
    items = matching(project, read_filter(project, filters))
    return BulkChange.objects.create(
        project=project,
        user=user,
        action=change.action,
        filters=dict(filters),
        reason=change.reason,
        value=change.value,
        last_item=project.items.order_by("-pk").values_list("pk", flat=True).first() or 0,
        total=items.count(),
    )


def under_way(project: Project) -> BulkChangeQuerySet:
    """Changes that are carried out now, and those that ended lately, the newest first."""
    lately = BulkChange.objects.filter(project=project, finished_at__gt=timezone.now() - SHOWN)
    unfinished: BulkChangeQuerySet = BulkChange.objects.unfinished().filter(project=project)
    return (unfinished | lately).select_related("user").order_by("-pk")


def carry_on(seconds: float) -> None:
    """Go on with the changes that were asked for, for about so long, with a pause as long behind each part."""
    until = time.monotonic() + seconds
    for bulk in BulkChange.objects.due().select_related("project", "user"):
        began = time.monotonic()
        while _part(bulk):
            now = time.monotonic()
            if now > until:
                return
            time.sleep(now - began)
            began = time.monotonic()


def _part(bulk: BulkChange) -> bool:
    """Change the next items. Returns whether there may be more to do now."""
    held = BulkChange.objects.unfinished().filter(pk=bulk.pk, position=bulk.position)
    try:
        items = matching(bulk.project, read_filter(bulk.project, bulk.filters))
        items = items.filter(pk__gt=bulk.position, pk__lte=bulk.last_item).order_by("pk")
        ids = list(items.values_list("pk", flat=True)[:PART])
        if not ids:
            held.update(finished_at=timezone.now())
            return False
        effect = Change(bulk.action, ids, bulk.reason, bulk.value).carry_out(bulk.project, bulk.user)
    except FilterError as error:  # a class or batch that is gone
        held.update(finished_at=timezone.now(), failure=str(error)[:300])
        return False
    except RemovalError:  # others do not let go of them: later
        return False
    fields: dict[str, Any] = {"position": ids[-1], "seen": F("seen") + len(ids), "changed": F("changed") + effect.items}
    held.update(**fields)  # unless another worker has come further with it
    bulk.refresh_from_db(fields=["position", "finished_at"])
    return bulk.finished_at is None
