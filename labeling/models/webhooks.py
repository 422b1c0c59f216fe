"""Webhooks, the events that they ask for, and the deliveries of each event.

The transaction that causes an event writes it, with a delivery for each webhook that asks for it. A worker sends the
deliveries of a webhook one after the other, in the order of their keys: see `labeling.outside.webhooks.delivering`.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from labeling.models.notice_kinds import OF_EVENTS, TEST, EventType
from labeling.models.notices import Notice
from labeling.models.projects import Project

MAX_URL = 2000
TRIES = 83
"""The tries of a delivery before it is a dead letter: they take three days and some hours."""


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def active(self) -> WebhookQuerySet:
        """Return webhooks that get deliveries: not paused, and of projects that are not deleted."""
        return self.filter(paused_at=None, project__deleted_at=None)

    def due(self, now: datetime.datetime) -> WebhookQuerySet:
        """Return active webhooks whose first waiting delivery may be sent now, and that no worker holds."""
        waiting = Delivery.objects.waiting()
        earlier = waiting.filter(webhook=OuterRef("webhook"), pk__lt=OuterRef("pk"))
        first = waiting.filter(next_at__lte=now).exclude(Exists(earlier))
        return self.active().not_held(now).filter(pk__in=first.values("webhook")).order_by("pk")

    def not_held(self, now: datetime.datetime) -> WebhookQuerySet:
        return self.filter(Q(held_until=None) | Q(held_until__lte=now))


class Webhook(models.Model):
    """An address that gets messages about a project's events."""

    admin_columns = ("project", "events", "paused_at", "pause_reason")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=MAX_URL)
    events = models.JSONField(default=list, help_text="The types of events that it asks for.")
    secrets = models.JSONField(
        default=list,
        editable=False,
        help_text="The secrets that sign, newest first: [encrypted, until when or null].",
    )
    paused_at = models.DateTimeField(null=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    reviews_sent = models.BooleanField(
        default=False, help_text="Whether it got an event of the items that wait for a review now."
    )
    held_by = models.CharField(max_length=32, blank=True, help_text="The try that a worker makes now.")
    held_until = models.DateTimeField(null=True, help_text="Then another worker tries again.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"webhook {self.pk} of {self.project}"

    @property
    def paused(self) -> bool:
        return self.paused_at is not None


class EventQuerySet(models.QuerySet["Event"]):
    def announce(self, event_type: EventType, project: Project, *, number: int | None = None) -> None:
        """Store an event for the project's webhooks that ask for it, and the notices of the same fact. Call inside the
        transaction that causes it.

        `number`: of the batch, model version, certificate or dataset version. Without a webhook no event is stored.
        """
        if event_type in OF_EVENTS:
            Notice.objects.tell_members(OF_EVENTS[event_type], project, number=number)
        # The locks, until the transaction ends, give deliveries of a webhook keys in the order of commits. They are not
        # of the project: a claim that opens a batch would wait for it behind an answer that opens the same batch.
        webhooks = Webhook.objects.filter(project=project).order_by("pk").select_for_update(no_key=True)
        asking = [each for each in webhooks if event_type in each.events]
        if asking:
            self.send(event_type, project, asking, number=number)

    def send(
        self,
        event_type: str,
        project: Project,
        webhooks: Iterable[Webhook],
        *,
        number: int | None = None,
        tries: int = TRIES,
    ) -> Event:
        """Store an event for these webhooks of the project, which the caller has locked."""
        now = timezone.now()
        data: dict[str, Any] = {"project": project.slug}
        if number is not None:
            data["number"] = number
        if event_type != TEST:
            data["url"] = EventType(event_type).address.format(**data)
        payload = {"type": event_type, "timestamp": now.isoformat().replace("+00:00", "Z"), "data": data}
        event = self.create(project=project, type=event_type, payload=payload, created_at=now)
        Delivery.objects.bulk_create(
            Delivery(webhook=each, event=event, next_at=now, tries_left=tries) for each in webhooks
        )
        return event


class Event(models.Model):
    """A fact that webhooks get a message about. It is removed, with its deliveries, after 30 days unless one waits."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="events")
    key = models.UUIDField(default=uuid.uuid4, unique=True, help_text="The id of the message, the same in each try.")
    type = models.CharField(max_length=40)
    payload = models.JSONField(help_text="The body of the message.")
    created_at = models.DateTimeField()

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.type} of {self.project}"

    @property
    def message_id(self) -> str:
        return f"evt_{self.key.hex}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> DeliveryQuerySet:
        return self.filter(state=Delivery.State.WAITING)

    def ended(self) -> DeliveryQuerySet:
        """Return deliveries that were delivered, or failed at all `TRIES`. Not those that failed by hand alone."""
        return self.filter(Q(state=Delivery.State.DELIVERED) | Q(state=Delivery.State.DEAD, attempts__gte=TRIES))


class Delivery(models.Model):
    """The message of one event to one webhook, and the result of the last try."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        DEAD = "dead", "dead letter"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    next_at = models.DateTimeField(help_text="When it may be tried, if it waits and is the webhook's first.")
    tries_left = models.PositiveSmallIntegerField(default=TRIES)
    attempts = models.PositiveIntegerField(default=0, help_text="The tries so far.")
    tried_at = models.DateTimeField(null=True, help_text="The time of the last try.")
    status = models.PositiveSmallIntegerField(null=True, help_text="The HTTP status of the last answer, if one came.")
    error = models.CharField(max_length=300, blank=True, help_text="Why the last try failed.")
    response = models.CharField(max_length=500, blank=True, help_text="The beginning of the last answer's body.")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["webhook", "event"], name="one_delivery_of_an_event")]
        indexes = [
            models.Index(fields=["webhook", "id"], condition=Q(state="waiting"), name="delivery_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
