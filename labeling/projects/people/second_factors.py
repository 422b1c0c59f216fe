"""Who must have a second factor, and its removal when it is lost."""

from enum import StrEnum

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction

from labeling.models import Ability, LogKind, Membership, User
from labeling.observing import auditlog

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What counts as a second factor. Recovery codes replace a lost one, and end with the last one."""


class Required(StrEnum):
    """The values of `SECOND_FACTOR`: who must have a second factor."""

    NOBODY = "none"
    STAFF = "staff"
    MANAGERS = "managers"
    ALL = "all"


def is_required(user: User) -> bool:
    """Return whether the person must have a second factor. With `managers`, takes one query for people without staff
    rights.
    """
    required = settings.SECOND_FACTOR
    if required == Required.NOBODY:
        return False
    if required == Required.ALL or user.is_staff or user.is_superuser:
        return True
    if required == Required.STAFF:
        return False
    return Membership.objects.who_can(Ability.MEMBERS_CHANGE).filter(user=user).exists()


def has_one(user: User, without: Authenticator | None = None) -> bool:
    """Return whether the person has a second factor, beside `without`."""
    factors = Authenticator.objects.filter(user=user, type__in=FACTORS)
    return factors.exclude(pk=without.pk if without else None).exists()


@transaction.atomic
def remove_factors(user: User) -> int:
    """Remove all second factors of a person who lost them, and end the person's sessions. Return their number."""
    removed, _ = Authenticator.objects.filter(user=user).delete()
    rows = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=rows.values("session_key")).delete()
    rows.delete()
    if removed:
        auditlog.record(LogKind.FACTOR_REMOVED, whom=user, subject="all")
    return removed
