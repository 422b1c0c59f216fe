"""The texts of mails: plain text, without names of people, labels and items, in the language that the person chose."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from labeling.models import Mailbox, Notice, NoticeKind
from labeling.outside.mailing import resets
from labeling.outside.mailing.addresses import CONFIRM, STOP, token

CONFIRM_TEXT = _(
    """\
Somebody, probably you, wants notices of Marginalia at this address. Confirm it within two days:

{url}

If it was not you, ignore this mail: no other will come.
"""
)
RESET_TEXT = _(
    """\
Somebody, probably you, asked for a new password for your account {username} of Marginalia. Set it within an hour:

{url}

If it was not you, ignore this mail: your password stays as it is.
"""
)
NOTICES_TEXT = _(
    """\
{notices}

Notice settings: {choices}
Stop all e-mail: {stop}
"""
)


def message_of(mailbox: Mailbox, notices: Sequence[Notice]) -> EmailMessage:
    """Return the mail under way: the link to confirm the address, or the notices. Each try has the same Message-ID."""
    assert mailbox.mail is not None
    domain = settings.EMAIL_FROM.partition("@")[2]
    headers = {"Message-ID": f"<{mailbox.mail}@{domain}>", "Auto-Submitted": "auto-generated"}
    if mailbox.confirmed_at is None:
        subject = gettext("Confirm your address for Marginalia")
        text = gettext(CONFIRM_TEXT).format(url=url("notice-address", token(mailbox, CONFIRM)))
    else:
        stop = url("notice-stop", token(mailbox, STOP))
        headers |= {"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        # No subject has the name of a project, which people write: a name with a line break would add a header.
        n = len(notices)
        subject = ngettext("A notice from Marginalia", "{n} notices from Marginalia", n).format(n=n)
        listed = "\n\n".join(_paragraph(each) for each in notices)
        text = gettext(NOTICES_TEXT).format(notices=listed, choices=url("notice-choices"), stop=stop)
    return EmailMessage(subject, text, to=[mailbox.address], headers=headers)


def reset_message(mailbox: Mailbox) -> EmailMessage:
    """Return the mail with the link to set a new password. The link is made when the mail is sent."""
    link = url("new-password", *resets.parts_of_link(mailbox.user))
    text = gettext(RESET_TEXT).format(username=mailbox.user.get_username(), url=link)
    domain = settings.EMAIL_FROM.partition("@")[2]
    headers = {"Message-ID": f"<{mailbox.reset_mail}.{mailbox.pk}@{domain}>", "Auto-Submitted": "auto-generated"}
    return EmailMessage(gettext("Set a new password for Marginalia"), text, to=[mailbox.address], headers=headers)


def url(name: str, *parts: str) -> str:
    """Return the absolute address of a page."""
    return settings.SITE_URL + reverse(name, args=parts)


def _paragraph(notice: Notice) -> str:
    kind = NoticeKind(notice.kind)
    project = " ".join(notice.project.name.split())
    address = kind.address.format(project=notice.project.slug, number=notice.number)
    return f"{project}: {kind.sentence(notice.number)}\n{settings.SITE_URL}{address}"
