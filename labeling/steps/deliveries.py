"""Regular work beside a worker's steps: deliver the messages of webhooks, tell webhooks and reviewers of waiting
reviews, and remove old events and notices.
"""

from __future__ import annotations

import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from labeling.insight.review import Reason, waiting
from labeling.models import Delivery, Event, EventType, Job, Notice, NoticeKind, Project, Webhook, WorkLog
from labeling.outside.webhooks.delivering import deliver

EVERY = datetime.timedelta(minutes=1)
"""The time between two looks at the reviewers' queues, which are expensive to read."""
BACK = datetime.timedelta(hours=1)
"""Each look covers what happened so long before the last one: a transaction may have ended late, or no worker ran."""
KEPT = datetime.timedelta(days=30)


class Messenger:
    """Delivers the messages of webhooks at each call, and does the rest once a minute."""

    def __init__(self) -> None:
        self._looked: datetime.datetime | None = None

    def __call__(self) -> None:
        now = timezone.now()
        if self._looked is None or abs(now - self._looked) >= EVERY:
            since = min(self._looked or now, now) - BACK
            self._looked = now
            tell_of_reviews(since=since)
            remove_old(now)
        deliver()


def tell_of_reviews(*, since: datetime.datetime) -> None:
    """Tell webhooks and reviewers of each project that has items that wait for a review, and had none before.

    Items begin to wait by answers and by steps: of other projects than those with one after `since`, only those are
    looked at whose items waited.
    """
    at_work = Webhook.objects.active().filter(project__archived_at=None).select_related("project")
    asking = [each for each in at_work if EventType.REVIEW_WAITING in each.events]
    answers = WorkLog.objects.filter(batch__project=OuterRef("pk"), last_at__gte=since)
    steps = Job.objects.filter(project=OuterRef("pk"), finished_at__gte=since)
    busy = Project.objects.kept().filter(Q(Exists(answers) | Exists(steps)) | Q(reviews_since__isnull=False))
    for project in {*busy.filter(archived_at=None), *(each.project for each in asking)}:
        waits = any(waiting(project, reason, most=1) for reason in Reason)
        _tell_reviewers(project, waits)
        for webhook in asking:
            if webhook.project == project and webhook.reviews_sent != waits:
                _note(webhook, waits)


@transaction.atomic
def _tell_reviewers(project: Project, waits: bool) -> None:
    """Store since when items wait, and the notices if they begin to and another worker has not stored them."""
    now = timezone.now()
    before = Project.objects.filter(pk=project.pk, reviews_since__isnull=waits)
    if before.update(reviews_since=now if waits else None) and waits:
        Notice.objects.tell_members(NoticeKind.REVIEW_WAITING, project, about=now.isoformat())


@transaction.atomic
def _note(webhook: Webhook, waits: bool) -> None:
    """Store whether items wait for a review, and send the event if they do and another worker has not sent it."""
    if Webhook.objects.filter(pk=webhook.pk, reviews_sent=not waits).update(reviews_sent=waits) and waits:
        Event.objects.send(EventType.REVIEW_WAITING, webhook.project, [webhook])


def remove_old(now: datetime.datetime) -> None:
    """Remove events older than `KEPT` with their deliveries, unless one of them waits, and old notices."""
    waits = Delivery.objects.waiting().filter(event=OuterRef("pk"))
    Event.objects.filter(created_at__lt=now - KEPT).exclude(Exists(waits)).delete()
    Notice.objects.filter(created_at__lt=now - Notice.KEPT).delete()
