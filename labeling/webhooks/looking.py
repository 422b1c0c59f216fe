"""Regular work for webhooks beside a worker's steps: deliver, tell of waiting reviews, and remove old events."""

from __future__ import annotations

import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from labeling.insight.review import Reason, waiting
from labeling.models import Delivery, Event, EventType, Webhook
from labeling.webhooks.delivering import deliver

EVERY = datetime.timedelta(minutes=1)
"""The time between two looks at the reviewers' queues, which are expensive to read."""
KEPT = datetime.timedelta(days=30)


class Messenger:
    """Delivers the messages of webhooks at each call, and does the rest once a minute."""

    def __init__(self) -> None:
        self._looked: datetime.datetime | None = None

    def __call__(self) -> None:
        now = timezone.now()
        if self._looked is None or abs(now - self._looked) >= EVERY:
            self._looked = now
            tell_of_reviews()
            remove_old(now)
        deliver()


def tell_of_reviews() -> None:
    """Send `review.waiting` to each webhook whose project has items that wait for a review, and had none before."""
    at_work = Webhook.objects.active().filter(project__archived_at=None).select_related("project")
    asking = [each for each in at_work if EventType.REVIEW_WAITING in each.events]
    for project in {each.project for each in asking}:
        waits = any(waiting(project, reason).exists() for reason in Reason)
        for webhook in asking:
            if webhook.project == project and webhook.reviews_sent != waits:
                _note(webhook, waits)


@transaction.atomic
def _note(webhook: Webhook, waits: bool) -> None:
    """Store whether items wait for a review, and send the event if they do and another worker has not sent it."""
    if Webhook.objects.filter(pk=webhook.pk, reviews_sent=not waits).update(reviews_sent=waits) and waits:
        Event.objects.send(EventType.REVIEW_WAITING, webhook.project, [webhook])


def remove_old(now: datetime.datetime) -> None:
    """Remove events older than `KEPT` with their deliveries, unless one of them waits."""
    waits = Delivery.objects.waiting().filter(event=OuterRef("pk"))
    Event.objects.filter(created_at__lt=now - KEPT).exclude(Exists(waits)).delete()
