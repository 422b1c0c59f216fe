"""Enter, confirm and remove the address that a person's notices are mailed to."""

import datetime
import uuid

from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import LogKind, Mailbox, User
from labeling.observing import auditlog

LINK_LASTS = datetime.timedelta(days=2)
PAUSE = datetime.timedelta(minutes=10)
"""The time between two links that a person may ask for: nobody can flood an address."""
CONFIRM, STOP = "labeling.outside.mailing.confirm", "labeling.outside.mailing.stop"


@transaction.atomic
def ask(*, user: User, address: str) -> None:
    """Store the address, unconfirmed, and have a worker mail it the link that confirms it.

    Raises `ValidationError` within `PAUSE` of the last link.
    """
    now = timezone.now()
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # of two requests at once, one waits
    if Mailbox.objects.filter(user=user, asked_at__gt=now - PAUSE).exists():
        raise ValidationError(gettext("A link was sent a few minutes ago. Ask for another one in ten minutes."))
    values = {"address": address, "asked_at": now, "confirmed_at": None, "mail": uuid.uuid4(), "reset_mail": None}
    fresh = {"next_at": now, "failures": 0, "failing_since": None, "error": "", "held_by": "", "held_until": None}
    confirmed = Mailbox.objects.filter(user=user, confirmed_at__isnull=False).exists()
    Mailbox.objects.update_or_create(user=user, defaults={**values, **fresh})
    # Without the address, which may name the person.
    auditlog.record(LogKind.ADDRESS_ENTERED, whom=user, before={"confirmed": confirmed}, after={"confirmed": False})


def token(mailbox: Mailbox, purpose: str) -> str:
    """Return the signed token of a link for this address. `purpose`: `CONFIRM` or `STOP`."""
    return signing.dumps([mailbox.user_id, mailbox.address], salt=purpose)


def find(text: str, purpose: str) -> Mailbox | None:
    """Return the mailbox that the token is for; None if the token is forged or too old, or the address was changed."""
    lasts = LINK_LASTS if purpose == CONFIRM else None
    try:
        user, address = signing.loads(text, salt=purpose, max_age=lasts)
    except signing.BadSignature:
        return None
    return Mailbox.objects.filter(user=user, address=address).first()


@transaction.atomic
def confirm(mailbox: Mailbox) -> None:
    """Mail notices, and links for a new password, to the address from now on."""
    unconfirmed = Mailbox.objects.filter(pk=mailbox.pk, address=mailbox.address, confirmed_at=None)
    if unconfirmed.update(confirmed_at=timezone.now(), mail=None):
        auditlog.record(LogKind.ADDRESS_CONFIRMED, whom=mailbox.user)


@transaction.atomic
def stop(mailbox: Mailbox) -> None:
    """Mail nothing more: forget the address."""
    if Mailbox.objects.filter(pk=mailbox.pk, address=mailbox.address).delete()[0]:
        before = {"confirmed": mailbox.confirmed_at is not None}
        auditlog.record(LogKind.ADDRESS_REMOVED, whom=mailbox.user, before=before)
