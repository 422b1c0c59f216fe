"""Notes which browsers a person is signed in with, when each was used last, and from where; and recognises browsers in
which an account has signed in before.

django-allauth's table has a row for each session. Its own middleware writes with every request; this one every few
minutes, because annotators send many.
"""

import datetime
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.core.signing import BadSignature, TimestampSigner
from django.db import OperationalError, transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext

from labeling.models import User

EVERY_SECONDS = 300
SEEN = "seen_at"
"""The key in a session for the time, in seconds since 1970, at which its last use was noted."""
UNKNOWN = "0.0.0.0"  # noqa: S104  no address to listen on
"""Stands for the address of a client on the same machine that has none, such as one behind a socket."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser in which the person is signed in."""

    pk: int
    device: str
    address: str
    began: datetime.datetime
    seen: datetime.datetime
    is_this: bool


class SessionsSeen(MiddlewareMixin):
    """Middleware that notes the last use of the session, at most every `EVERY_SECONDS`."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        # Only of requests that read the session anyway, so that others read nothing more.
        seen = request.session.get(SEEN) if request.session.accessed else None
        if seen is not None and not 0 <= time.time() - seen < EVERY_SECONDS:
            request.session[SEEN] = int(time.time())
            used = UserSession.objects.filter(session_key=request.session.session_key)
            with suppress(OperationalError):  # a disk that is full hides no page
                used.update(last_seen_at=timezone.now(), ip=client_address(request))
        return response


@receiver(user_logged_in)
def note(user: User, request: HttpRequest, **_: object) -> None:
    """Store the session that begins, and delete the rows of the person's sessions that are over."""
    if request.session.session_key is None:
        request.session.save()
    request.session[SEEN] = int(time.time())
    rows = UserSession.objects.filter(user=user)
    rows.exclude(session_key__in=Session.objects.values("session_key")).delete()
    now = timezone.now()
    agent = request.META.get("HTTP_USER_AGENT", "")[:200]
    values = {"user": user, "ip": client_address(request), "user_agent": agent, "created_at": now, "last_seen_at": now}
    UserSession.objects.update_or_create(session_key=request.session.session_key, defaults=values)


def client_address(request: HttpRequest) -> str:
    """Return the client's address, which `labeling.web.gate.proxies` has found."""
    return request.META.get("REMOTE_ADDR") or UNKNOWN


def sessions_of(user: User, this: str | None) -> list[SignedIn]:
    """Return the sessions in which the user is signed in, the last used first. Takes two queries.

    `this` is the key of the present session. Sessions of an earlier password are over, so they are left out.
    """
    rows = list(UserSession.objects.filter(user=user).order_by("-last_seen_at"))
    stored = Session.objects.filter(session_key__in=[row.session_key for row in rows], expire_date__gt=timezone.now())
    hashed = user.get_session_auth_hash()
    going = {
        each.session_key
        for each in stored
        if constant_time_compare(each.get_decoded().get(HASH_SESSION_KEY, ""), hashed)
    }
    return [
        SignedIn(
            pk=row.pk,
            device=device(row.user_agent),
            address="" if row.ip == UNKNOWN else row.ip,
            began=row.created_at,
            seen=row.last_seen_at,
            is_this=row.session_key == this,
        )
        for row in rows
        if row.session_key in going
    ]


@transaction.atomic
def end(user: User, pk: int) -> bool:
    """End one of the user's sessions. Return False if the user has no such session."""
    keys = list(UserSession.objects.filter(user=user, pk=pk).values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    return bool(UserSession.objects.filter(user=user, pk=pk).delete()[0])


@transaction.atomic
def end_all(user: User) -> None:
    """End all sessions of the user."""
    rows = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=rows.values("session_key")).delete()
    rows.delete()


BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows")),
    *(("Mac OS X", "Mac"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)


def device(user_agent: str) -> str:
    """Return the browser and the system that a browser names.

    >>> device("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    'Firefox on Linux'
    >>> device("curl/8.5.0")
    'Another program'
    """
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    if browser and system:
        return gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or gettext("Another program")


# Browsers in which an account has signed in before, recognised by a cookie (OWASP's "device cookies").
#
# Failed sign-ins from a known browser are counted by themselves, so that guesses of others, from the same address or
# for the same account, do not lock it out. A stolen cookie permits the usual number of tries, for that one account,
# until its password changes.

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
