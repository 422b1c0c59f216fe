"""Send mails, each at least once: all notices that are due for a person in one mail, and links for a new password.

A worker holds a mailbox while it sends. It stores the mail's id, and which notices the mail has, before the first try:
if the worker dies, another sends the same mail, with the same Message-ID, as soon as the hold is over.
"""

from __future__ import annotations

import datetime
import logging
import smtplib
import time
import uuid
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone, translation

from labeling.models import LogKind, Mailbox, Notice
from labeling.models.notices import DAY
from labeling.observing import auditlog
from labeling.outside.mailing.messages import message_of, reset_message
from labeling.outside.outbound.delivery import Pauses, hold, release

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
"""The time between two looks for mails."""
MOST_SECONDS = 30.0
"""A look begins no further mail after this time."""
HELD = datetime.timedelta(minutes=3)
"""Longer than a try takes, with a server that is slow at each step."""
PAUSES = Pauses(60, 3600)
MOST_NOTICES = 100
"""The notices of one mail; later ones are in the next."""
REFUSED = (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)
"""The errors of a server that answers, and refuses this mail."""


def deliver() -> None:
    """Send what is due. If the mail server does not answer, leave the rest to the next look."""
    if not settings.MAIL:
        return
    until = time.monotonic() + MOST_SECONDS
    for mailbox in Mailbox.objects.due(timezone.now()).select_related("user").order_by("?"):
        with translation.override(mailbox.user.mail_language):
            if time.monotonic() > until or not _deliver_to(mailbox):
                return


def _deliver_to(mailbox: Mailbox) -> bool:
    """Send the mailbox's mail, if one is due. Return whether the mail server answers, as far as known."""
    if not _take(mailbox, timezone.now()):
        return True
    is_reset = mailbox.reset_mail is not None
    message = reset_message(mailbox) if is_reset else _message_of_notices(mailbox)
    try:
        if message is not None:
            message.send()
    except OSError as error:  # all errors of smtplib are
        _store_failure(mailbox, f"{type(error).__name__}: {error}"[:300], timezone.now())
        return isinstance(error, REFUSED)
    sent: dict[str, Any] = {"reset_mail" if is_reset else "mail": None}
    with transaction.atomic():
        _release(mailbox, **sent, failures=0, failing_since=None, error="", next_at=timezone.now())
        if is_reset:
            auditlog.record(LogKind.RESET_MAILED, whom=mailbox.user)
    return True


def _message_of_notices(mailbox: Mailbox) -> EmailMessage | None:
    """Return the mail with the notices, or with the link that confirms the address; None if no notice is left."""
    own = Notice.objects.of(mailbox.user).filter(mail=mailbox.mail)
    notices = list(own.select_related("project").order_by("pk"))
    return message_of(mailbox, notices) if notices or mailbox.confirmed_at is None else None


@transaction.atomic
def _take(mailbox: Mailbox, now: datetime.datetime) -> bool:
    """Hold the mailbox, and store which notices its mail has. Return False if another worker holds it, or no mail is
    due.
    """
    reset = mailbox.reset_mail is not None
    if not reset and mailbox.mail is None and not Notice.objects.to_mail(mailbox, now).exists():
        return False
    as_known = {"mail": mailbox.mail, "reset_mail": mailbox.reset_mail}
    mailbox.held_by = hold(
        Mailbox.objects.filter(pk=mailbox.pk, next_at__lte=now, **as_known).not_held(now), now + HELD
    )
    if not mailbox.held_by:
        return False
    if not reset and mailbox.mail is None:
        mailbox.mail = uuid.uuid4()
        due = list(Notice.objects.to_mail(mailbox, now).values_list("pk", flat=True)[:MOST_NOTICES])
        Notice.objects.filter(pk__in=due).update(mail=mailbox.mail)
        Mailbox.objects.filter(pk=mailbox.pk).update(mail=mailbox.mail)
    return True


def _store_failure(mailbox: Mailbox, error: str, now: datetime.datetime) -> None:
    """Store the failure and when to try again; after a day, give the mail up."""
    since = mailbox.failing_since or now
    if now - since >= DAY:
        logger.warning("A mail to the %s is given up after a day: %s", mailbox, error)
        _release(mailbox, mail=None, reset_mail=None, failures=0, failing_since=None, error=error, next_at=now)
        return
    if not mailbox.failures:
        logger.warning("A mail to the %s failed, and is tried again: %s", mailbox, error)
    failures = mailbox.failures + 1
    next_at = now + PAUSES.after(failures)
    _release(mailbox, failures=failures, failing_since=since, error=error, next_at=next_at)


def _release(mailbox: Mailbox, **values: object) -> None:
    """Store the result, unless another worker took over after the hold, or the address was changed."""
    release(Mailbox.objects.filter(pk=mailbox.pk), mailbox.held_by, **values)
