"""Messages as Standard Webhooks defines them, and the request that sends one."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import orjson
from standardwebhooks import Webhook as Signer

from labeling.models import Delivery
from labeling.outside import outbound
from labeling.outside.webhooks.changing import is_used
from labeling.storage.db.sealed import unseal
from models_store import __version__

SECONDS = 15.0
"""The longest time of a try, from the look-up of the name to the status of the answer."""
MOST_CHARACTERS = 500
"""The characters of a refusal that are kept."""


@dataclass(frozen=True, slots=True)
class Message:
    """A signed message."""

    url: str
    body: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a try. `status`: None without an answer. `response`: the beginning of the body of a refusal."""

    status: int | None = None
    error: str = ""
    response: str = ""


def message_of(delivery: Delivery, now: datetime.datetime) -> Message:
    """Return the message of a delivery, signed by all secrets in use. Raises `Unreadable` if they cannot be read."""
    event, webhook = delivery.event, delivery.webhook
    body = orjson.dumps(event.payload).decode()
    used = [unseal(sealed) for sealed, until in webhook.secrets if is_used(until, now)]
    signatures = [Signer(secret).sign(event.message_id, now, body) for secret in used]
    headers = {
        "content-type": "application/json",
        "user-agent": f"Marginalia/{__version__} (webhooks)",
        "webhook-id": event.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    return Message(webhook.url, body, headers)


async def post(message: Message) -> Answer:
    """Send the message, and return the result. Redirects are not followed."""
    try:
        async with outbound.send(
            "POST",
            message.url,
            seconds=SECONDS,
            silence=SECONDS,
            content=message.body.encode(),
            headers=message.headers,
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
