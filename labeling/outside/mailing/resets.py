"""Links by which a person who forgot the password sets a new one, mailed to the confirmed address."""

import datetime
import uuid

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db.models import Q
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from labeling.models import Mailbox, User
from labeling.outside.mailing.addresses import PAUSE


class Tokens(PasswordResetTokenGenerator):
    """Tokens that a sign-in, a new password and another address make void."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        address = Mailbox.objects.filter(user=user).values_list("address", "confirmed_at").first()
        return f"{super()._make_hash_value(user, timestamp)}{address}"


TOKENS = Tokens()


def ask(address: str, now: datetime.datetime | None = None) -> None:
    """Have a worker mail a link to each account that has confirmed this address.

    One update does it, whether or not there is such an account: the time of an answer does not tell. An address gets
    one link within `PAUSE`. Accounts without a password, which sign in elsewhere, get none.
    """
    now = now or timezone.now()
    lately = Q(reset_asked_at__gt=now - PAUSE)
    boxes = Mailbox.objects.filter(address__iexact=address, confirmed_at__isnull=False, user__is_active=True)
    boxes = boxes.exclude(lately).exclude(user__password__startswith=UNUSABLE_PASSWORD_PREFIX)
    boxes.update(reset_asked_at=now, reset_mail=uuid.uuid4(), next_at=now)


def parts_of_link(user: User) -> tuple[str, str]:
    """Return the id and the token in the address of the page for the new password."""
    return urlsafe_base64_encode(force_bytes(user.pk)), TOKENS.make_token(user)
