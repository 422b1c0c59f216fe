"""Add, change, test and remove webhooks, and send messages again."""

import base64
import datetime
import secrets
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import Delivery, Event, LogKind, Project, Webhook
from labeling.models.notice_kinds import TEST, EventType
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog
from labeling.storage.db.sealed import Unreadable, seal, unseal

MOST = 20
"""The most webhooks of a project."""
BESIDE = datetime.timedelta(hours=24)
"""The time for which an earlier secret signs beside the new one."""
MOST_SECRETS = 5
TRIES_BY_HAND = 1
"""The tries of a message that a manager sends: a message that waits longer would keep later ones back."""


class WebhookRefused(StateConflict):
    """The state of the webhook does not allow the change; the message says why."""


@transaction.atomic
def add(*, project: Project, url: str, events: Sequence[EventType]) -> tuple[Webhook, str]:
    """Create a webhook, and return it with its secret. Raises `WebhookRefused` if the project has `MOST`."""
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if project.webhooks.count() >= MOST:
        raise WebhookRefused(
            gettext("This project has %(n)s webhooks already. Remove one of them first.") % {"n": MOST}
        )
    secret = _new_secret()
    webhook = project.webhooks.create(url=url, events=list(events), secrets=[[seal(secret), None]])
    _record(webhook, LogKind.WEBHOOK_CHANGED, after={"events": webhook.events})
    return webhook, secret


@transaction.atomic
def change(
    *, webhook: Webhook, url: str | None = None, events: Sequence[EventType] | None = None, paused: bool | None = None
) -> None:
    """Change the address or the events, pause the webhook or let it go on. None leaves a value as it is.

    While it is paused, events are stored. When it goes on, all messages that wait are sent.
    """
    values: dict[str, Any] = {"url": url, "events": events}
    webhooks = Webhook.objects.filter(pk=webhook.pk)
    if changed := {name: value for name, value in values.items() if value is not None}:
        webhooks.update(**changed)
    if paused:
        webhooks.filter(paused_at=None).update(paused_at=timezone.now(), pause_reason="A manager paused it.")
    elif paused is not None:
        webhooks.update(paused_at=None, pause_reason="")
        webhook.deliveries.waiting().update(next_at=timezone.now())
    if changed or paused is not None:
        after = {"changed": sorted(changed), "events": events, "paused": paused}
        _record(webhook, LogKind.WEBHOOK_CHANGED, before={"events": webhook.events}, after=after)


def _record(webhook: Webhook, kind: LogKind, *, before: Any = None, after: Any = None) -> None:
    # Without the address, which can hold a secret: auditors read the log.
    auditlog.record(kind, project=webhook.project, subject=f"webhook {webhook.pk}", before=before, after=after)


@transaction.atomic
def rotate(*, webhook: Webhook) -> str:
    """Give the webhook a new secret, and return it. Of earlier secrets, the newest sign beside it for 24 hours."""
    webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
    now, secret = timezone.now(), _new_secret()
    end = (now + BESIDE).isoformat()
    earlier = [[text, until or end] for text, until in webhook.secrets if is_used(until, now) and _is_readable(text)]
    webhook.secrets = [[seal(secret), None], *earlier][:MOST_SECRETS]
    webhook.save(update_fields=["secrets"])
    _record(webhook, LogKind.WEBHOOK_CHANGED, after={"changed": ["secret"]})
    return secret


def _is_readable(sealed: str) -> bool:
    try:
        unseal(sealed)
    except Unreadable:
        return False
    return True


def is_used(until: str | None, now: datetime.datetime) -> bool:
    """Return whether a secret that signs until this time still signs."""
    return until is None or datetime.datetime.fromisoformat(until) > now


def _new_secret() -> str:
    """Return a secret as Standard Webhooks writes it: 256 random bits."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


@transaction.atomic
def remove_webhook(*, webhook: Webhook) -> None:
    """Remove the webhook with its deliveries."""
    # Wait for transactions that write deliveries to it.
    Webhook.objects.select_for_update().get(pk=webhook.pk).delete()
    _record(webhook, LogKind.WEBHOOK_CHANGED, before={"events": webhook.events})


@transaction.atomic
def send_test(*, webhook: Webhook) -> Delivery:
    """Send a test event after what waits, at once. Raises `WebhookRefused` if paused, or if a test event waits."""
    webhook = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
    if webhook.paused_at is not None:
        raise WebhookRefused(gettext("The webhook is paused. Resume it first."))
    waiting = webhook.deliveries.waiting()
    if waiting.filter(event__type=TEST).exists():
        raise WebhookRefused(gettext("A test event is already queued, behind earlier messages."))
    waiting.update(next_at=timezone.now())
    delivery = Event.objects.send(TEST, webhook.project, [webhook], tries=TRIES_BY_HAND).deliveries.get()
    _record(webhook, LogKind.WEBHOOK_SENT, after={"event": TEST})
    return delivery


@transaction.atomic
def send_again(*, delivery: Delivery) -> None:
    """Send a message that was delivered, or a dead letter, once more. Raises `WebhookRefused` if it waits."""
    states = Delivery.State
    sent = Delivery.objects.filter(pk=delivery.pk, state__in=[states.DELIVERED, states.DEAD])
    if not sent.update(state=states.WAITING, tries_left=TRIES_BY_HAND, next_at=timezone.now()):
        raise WebhookRefused(gettext("This message is already queued."))
    _record(delivery.webhook, LogKind.WEBHOOK_SENT, after={"event": delivery.event.type})
