"""Browsers in which an account has signed in before, known by a cookie (OWASP's "device cookies").

A browser that is known for an account is counted by itself when it signs in to that account: whatever others guess,
from the same address or at the same name, does not keep it out. A cookie that is stolen gives the usual number of
tries, for that one account, until its password changes.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest, HttpResponse

from labeling.models import User

COOKIE = "known_device"
MAX_AGE = timedelta(days=365)
# Accounts that share a browser; the one that signed in longest ago is forgotten first.
ACCOUNTS = 5
BETWEEN = "."  # none of the characters that a signed value has


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Have the browser known as one that this user signs in from. It does not tell whose it is: only we can."""
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
    """The name of the device, if the account of that name has signed in from it; otherwise ""."""
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
    """Of this account, for as long as it has this password."""
    return TimestampSigner(salt=f"labeling.web.gate.devices {user.pk} {user.get_session_auth_hash()}")
