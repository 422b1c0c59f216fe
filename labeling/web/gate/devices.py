"""Browsers in which an account has signed in before, recognised by a cookie (OWASP's "device cookies").

Failed sign-ins from a known browser are counted by themselves, so that guesses of others, from the same address or for
the same account, do not lock it out. A stolen cookie permits the usual number of tries, for that one account, until its
password changes.
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse

from labeling.models import User

COOKIE = "known_device"
MAX_AGE = timedelta(days=365)
# The most accounts per browser; the account that signed in longest ago is dropped first.
ACCOUNTS = 5
BETWEEN = "."  # no signed value contains this character


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Mark the browser as known for this user, by a signed cookie that only the server can match to the user."""
    others = [entry for entry in _entries(request) if not _device(entry, user)]
    entries = [_signer(user).sign(secrets.token_urlsafe(16)), *others]
    response.set_cookie(
        COOKIE,
        BETWEEN.join(entries[:ACCOUNTS]),
        max_age=MAX_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def known_device(request: HttpRequest, username: str | None) -> str:
    """Return the name of the device if the account has signed in from it before; otherwise ""."""
    entries = _entries(request)
    user = User.objects.filter(username=username).first() if entries else None
    return next((name for entry in entries if user and (name := _device(entry, user))), "")


def _entries(request: HttpRequest) -> list[str]:
    return [entry for entry in request.COOKIES.get(COOKIE, "").split(BETWEEN) if entry][:ACCOUNTS]


def _device(entry: str, user: User) -> str:
    try:
        return _signer(user).unsign(entry, max_age=MAX_AGE)
    except BadSignature:
        return ""


def _signer(user: User) -> TimestampSigner:
    """Return the signer of this account, which changes with the account's password."""
    return TimestampSigner(salt=f"labeling.web.gate.devices {user.pk} {user.get_session_auth_hash()}")
