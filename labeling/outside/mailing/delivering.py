"""Send mails, each at least once: all notices that are due for a person in one mail, and links for a new password.

A worker holds a mailbox while it sends. It stores the mail's id, and which notices the mail has, before the first try:
if the worker dies, another sends the same mail, with the same Message-ID, as soon as the hold is over.

Mails are plain text, without names of people, labels and items, in the language that the person chose.
"""

import datetime
import logging
import smtplib
import time
import uuid
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from labeling.models import LogKind, Mailbox, Notice
from labeling.models.notices import DAY, grouped
from labeling.observing import auditlog
from labeling.outside.mailing import resets
from labeling.outside.mailing.addresses import CONFIRM, STOP, token
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

CONFIRM_TEXT = _(
    """\
Someone, probably you, asked for notices of Marginalia at this e-mail address. Confirm it within two days:

{url}

If it was not you, ignore this e-mail. You will get no other.
"""
)
RESET_TEXT = _(
    """\
Someone, probably you, asked for a new password for your account {username} of Marginalia. Set it within an hour:

{url}

If it was not you, ignore this e-mail. Your password stays the same.
"""
)
NOTICES_TEXT = _(
    """\
{notices}

Notice settings: {choices}
Stop all e-mail: {stop}
"""
)


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
    message = _reset_message(mailbox) if is_reset else _message_of_notices(mailbox)
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
    assert mailbox.mail is not None
    if mailbox.confirmed_at is None:
        text = gettext(CONFIRM_TEXT).format(url=_url("notice-address", token(mailbox, CONFIRM)))
        return _message(mailbox, str(mailbox.mail), gettext("Confirm your e-mail address for Marginalia"), text)
    own = Notice.objects.of(mailbox.user).filter(mail=mailbox.mail)
    notices = list(own.select_related("project").order_by("project__name", "project", "pk"))
    if not notices:
        return None
    stop = _url("notice-stop", token(mailbox, STOP))
    # No subject has the name of a project, which people write: a name with a line break would add a header.
    groups = grouped(notices)
    n = len(groups)
    subject = ngettext("A notice from Marginalia", "{n} notices from Marginalia", n).format(n=n)
    listed = "\n\n".join(map(_paragraph, groups))
    text = gettext(NOTICES_TEXT).format(notices=listed, choices=_url("notice-choices"), stop=stop)
    one_click = {"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return _message(mailbox, str(mailbox.mail), subject, text, **one_click)


def _reset_message(mailbox: Mailbox) -> EmailMessage:
    """Return the mail with the link to set a new password. The link is made when the mail is sent."""
    link = _url("new-password", *resets.parts_of_link(mailbox.user))
    text = gettext(RESET_TEXT).format(username=mailbox.user.get_username(), url=link)
    mail = f"{mailbox.reset_mail}.{mailbox.pk}"
    return _message(mailbox, mail, gettext("Set a new password for Marginalia"), text)


def _message(mailbox: Mailbox, mail: str, subject: str, text: str, **headers: str) -> EmailMessage:
    """Return a mail, with the same Message-ID for each try."""
    domain = settings.EMAIL_FROM.partition("@")[2]
    own = {"Message-ID": f"<{mail}@{domain}>", "Auto-Submitted": "auto-generated"}
    return EmailMessage(subject, text, to=[mailbox.address], headers=own | headers)


def _paragraph(notices: list[Notice]) -> str:
    """Return the newest notice of a group, with its project and address, and the number of the earlier ones."""
    newest, earlier = notices[-1], len(notices) - 1
    project = " ".join(newest.project.name.split())
    more = ngettext("(and %(n)s earlier)", "(and %(n)s earlier)", earlier) % {"n": earlier}
    text = f"{newest.sentence} {more}" if earlier else newest.sentence
    return f"{project}: {text}\n{settings.SITE_URL}{newest.address}"


def _url(name: str, *parts: str) -> str:
    return settings.SITE_URL + reverse(name, args=parts)


@transaction.atomic
def _take(mailbox: Mailbox, now: datetime.datetime) -> bool:
    """Hold the mailbox, and store the notices of its mail. Return False if it is held already, or no mail is due."""
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
