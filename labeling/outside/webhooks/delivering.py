"""Deliver messages, as Standard Webhooks defines them: at least once, and those of a webhook in order, one after the
other.

A worker holds a webhook while it sends a message. If the worker dies, another sends the message again as soon as the
hold is over. A message that fails is tried again after a growing pause, and later messages of the webhook wait. After
`TRIES` it is a dead letter, and the next message has its turn. `DEAD_IN_A_ROW` dead letters pause the webhook.
"""

import asyncio
import datetime
import logging
import time
from collections import Counter
from typing import Any, NamedTuple

import orjson
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from labeling.models import Delivery, Webhook
from labeling.models.webhooks import TRIES
from labeling.observing.metrics import WEBHOOK_TRIES
from labeling.outside import outbound
from labeling.outside.outbound.delivery import Pauses, hold, release
from labeling.outside.webhooks.changing import is_used
from labeling.storage.db.sealed import Unreadable, unseal
from models_store import __version__

logger = logging.getLogger(__name__)

EVERY_SECONDS = 2.0
"""The time between two looks for messages."""
AT_ONCE, AT_ONCE_OF_OWNER = 32, 8
"""The messages that a worker sends at the same time, each to another webhook; and those for the projects of one person.
"""
MOST_SECONDS = 5.0
"""A worker that ends waits for as long, and for the last messages."""
SECONDS = 15.0
"""The longest time of a try, from the look-up of the name to the status of the answer."""
HELD = datetime.timedelta(seconds=60)
"""Longer than a try takes."""
MOST_CHARACTERS = 500
"""The characters of a refusal that are kept."""
PAUSES = Pauses(5, 3600, spread=0.25)
GONE = 410
FAILED = "failed"
"""The result of a try that another one follows, in the metric of tries; the results of the last are states."""
DEAD_IN_A_ROW = 3
"""The dead letters in a row, each of three days, after which a webhook is paused."""


class Answer(NamedTuple):
    """The result of a try. `status`: None without an answer. `response`: the beginning of the body of a refusal."""

    status: int | None = None
    error: str = ""
    response: str = ""


def deliver() -> None:
    """Send what is due, for about `MOST_SECONDS`."""
    until = time.monotonic() + MOST_SECONDS
    while _deliver_some(timezone.now(), until) and time.monotonic() < until:
        pass


def _deliver_some(now: datetime.datetime, until: float = 0) -> bool:
    """Send the messages of each webhook that is due, `AT_ONCE` webhooks at most: those that are due before `until`, and
    at least one. Return whether there was one.
    """
    webhooks = _chosen(now)
    return bool(webhooks) and any(async_to_sync(_deliver_to_all)(webhooks, until))


def _chosen(now: datetime.datetime) -> list[Webhook]:
    """Return due webhooks. None waits behind others that are always due, or behind those of one person."""
    chosen: list[Webhook] = []
    owners: Counter[int] = Counter()
    for webhook in Webhook.objects.due(now).select_related("project").order_by("?"):
        owner = webhook.project.created_by_id or -webhook.project_id
        if owners[owner] < AT_ONCE_OF_OWNER and len(chosen) < AT_ONCE:
            owners[owner] += 1
            chosen.append(webhook)
    return chosen


async def _deliver_to_all(webhooks: list[Webhook], until: float) -> list[bool]:
    return await asyncio.gather(*(_deliver_to(each, until) for each in webhooks))


async def _deliver_to(webhook: Webhook, until: float) -> bool:
    """Send the webhook's messages until then, at least one, and store each result at once: slower webhooks keep none
    back. Return whether there was one.
    """
    sent = False
    while (not sent or time.monotonic() < until) and (delivery := await sync_to_async(_take)(webhook, timezone.now())):
        [answer] = await asyncio.gather(_send(delivery, timezone.now()), return_exceptions=True)
        await sync_to_async(_record)(delivery, _or_defect(answer), timezone.now())
        sent = True
    return sent


def _take(webhook: Webhook, now: datetime.datetime) -> Delivery | None:
    """Hold the webhook, and return its first delivery; None if another worker holds it, or nothing is due any more."""
    free = Webhook.objects.filter(pk=webhook.pk, paused_at=None).not_held(now)
    if not (held_by := hold(free, now + HELD)):
        return None
    delivery = webhook.deliveries.waiting().select_related("event", "webhook__project").order_by("pk").first()
    if delivery is None or delivery.next_at > now:
        release(Webhook.objects.filter(pk=webhook.pk), held_by)
        return None
    return delivery


def _or_defect(answer: Answer | BaseException) -> Answer:
    """Return the answer; in place of a defect, which must not hold up other webhooks, a failure."""
    if isinstance(answer, Answer):
        return answer
    logger.error("A message could not be sent.", exc_info=answer)
    return Answer(error=f"The message could not be sent: {type(answer).__name__}.")


async def _send(delivery: Delivery, now: datetime.datetime) -> Answer:
    """Send the message, signed by all secrets in use, and return the result."""
    event, webhook = delivery.event, delivery.webhook
    body = orjson.dumps(event.payload)
    try:
        used = [unseal(sealed) for sealed, until in webhook.secrets if is_used(until, now)]
    except Unreadable as error:
        return Answer(error=str(error))
    headers = {
        "content-type": "application/json",
        "user-agent": f"Marginalia/{__version__} (webhooks)",
        "webhook-id": event.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(secret).sign(event.message_id, now, body.decode()) for secret in used),
    }
    return await post(webhook.url, body, headers)


async def post(url: str, body: bytes, headers: dict[str, str]) -> Answer:
    """Post the body, and return the result. Redirects are not followed."""
    try:
        async with outbound.send(
            "POST", url, seconds=SECONDS, silence=SECONDS, content=body, headers=headers
        ) as response:
            if response.is_success:
                return Answer(response.status_code)
            error = f"The receiver answered {response.status_code}."
            if response.is_redirect:
                error += " Redirects are not followed: enter the new address."
            return Answer(response.status_code, error, await _beginning(response))
    except outbound.Late:
        return Answer(error=f"The receiver did not answer within {SECONDS:g} seconds.")
    except (outbound.Refused, outbound.Failed) as error:
        return Answer(error=f"{str(error).rstrip('.')}."[:300])


async def _beginning(response: outbound.Response) -> str:
    """Return the first characters of the body, without NUL, which PostgreSQL does not store."""
    got = b""
    async for part in response.aiter_raw():
        got += part
        if len(got) >= 4 * MOST_CHARACTERS:
            break
    return got.decode("utf-8", "replace").replace("\0", "")[:MOST_CHARACTERS]


def outcome(answer: Answer, *, attempts: int, tries_left: int, now: datetime.datetime) -> dict[str, Any]:
    """Return the new values of a delivery after a try. `attempts`, `tries_left`: before it."""
    values = {"attempts": attempts + 1, "tried_at": now, **answer._asdict()}
    if not answer.error:
        return {**values, "state": Delivery.State.DELIVERED}
    left = tries_left - 1
    if left <= 0:
        return {**values, "state": Delivery.State.DEAD, "tries_left": 0}
    return {**values, "tries_left": left, "next_at": now + PAUSES.after(TRIES - left)}


@transaction.atomic
def _record(delivery: Delivery, answer: Answer, now: datetime.datetime) -> None:
    """Store the result, and let the webhook go. Store nothing if another worker took over after the hold."""
    webhooks = Webhook.objects.filter(pk=delivery.webhook_id)
    if not release(webhooks, delivery.webhook.held_by):
        logger.warning("Lost delivery %d to another worker.", delivery.pk)
        return
    values = outcome(answer, attempts=delivery.attempts, tries_left=delivery.tries_left, now=now)
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.WAITING).update(**values)
    WEBHOOK_TRIES.labels(values.get("state", FAILED)).inc()
    if values.get("state") == Delivery.State.DEAD:
        logger.warning("Delivery %d of %s is a dead letter: %s", delivery.pk, delivery.webhook, answer.error)
    if reason := _reason_to_pause(delivery, answer):
        webhooks.filter(paused_at=None).update(paused_at=now, pause_reason=reason)


def _reason_to_pause(delivery: Delivery, answer: Answer) -> str:
    """Return why the webhook is to be paused after this answer; empty if it is not."""
    if answer.status == GONE:
        return "The receiver answered 410 Gone."
    if answer.error and delivery.attempts + 1 == TRIES:
        last = Delivery.objects.ended().filter(webhook=delivery.webhook_id).order_by("-tried_at")[:DEAD_IN_A_ROW]
        if [each.state for each in last] == [Delivery.State.DEAD] * DEAD_IN_A_ROW:
            return f"{DEAD_IN_A_ROW} messages in a row failed, each for three days."
    return ""
