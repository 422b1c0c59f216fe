"""Limits failed sign-ins: after a number of failures, further tries are refused for a while.

Failures are rows of the database, so that all web processes share the counts. There are two limits: `LOGIN_ATTEMPTS`
for one username from one address, and `ADDRESS_LENIENCE` times as many for one address and all usernames. There is no
limit for a username alone, because any client could then lock its owner out. A browser in which the account has signed
in before has its own limit of `LOGIN_ATTEMPTS` instead.

Tries that arrive at the same instant are all checked, so the limit can be exceeded by the number of concurrent
requests.
"""

import logging
import math
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.deprecation import MiddlewareMixin

from labeling.models import LogKind, SignInFailure, User
from labeling.models.accounts import SignInFailureQuerySet
from labeling.observing import auditlog
from labeling.web.gate.proxies import client_network
from labeling.web.gate.sessions import known_device

logger = logging.getLogger(__name__)

# People behind one address, for example in an office, mistype more often than one person.
ADDRESS_LENIENCE = 10


class Throttle:
    """The first authentication backend: refuses clients beyond a limit, and leaves others to the next one."""

    def authenticate(
        self, request: HttpRequest | None, username: Any = None, password: Any = None, **more: Any
    ) -> None:
        """Check the limits for a sign-in with a password over HTTP, and for no other."""
        if request is not None and password is not None and _close_if_over(request, username or ""):
            raise PermissionDenied


class LockedOut(MiddlewareMixin):
    """Middleware that answers a locked-out client with a page of the time until the next try."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        until = getattr(request, "locked_out_until", None)
        return response if until is None else _locked_out(request, until)


@receiver(user_login_failed)
def count_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Count a failure, unless the sign-in had no password, as with a login header.

    Tries of a client that is locked out are neither counted nor recorded: the wait keeps its end, and the limits bound
    the audit log, too.
    """
    if request is None or "password" not in credentials or hasattr(request, "locked_out_until"):
        return
    SignInFailure.objects.outdated().delete()
    name = credentials.get("username") or ""
    user = User.objects.filter(username=name).first()
    # Without the typed name, which may be a password.
    auditlog.record(LogKind.SIGN_IN_FAILED, whom=user)
    SignInFailure.objects.create(
        user=user, name_hash=_hash(name), client=client_network(request) or "", device=known_device(request, name)
    )
    if _close_if_over(request, name):
        # Without the name, for the same reason.
        logger.warning("Locking out the client at %s after repeated failures to sign in.", client_network(request))


@receiver(user_logged_in)
def forget_failures(user: User, request: HttpRequest, **_: Any) -> None:
    """Delete the failures of this username from this device or address."""
    _limits(request, user.get_username())[0][0].delete()


def _close_if_over(request: HttpRequest, name: str) -> bool:
    """Mark the request as locked out if a limit is reached; return whether it is."""
    for failures, limit in _limits(request, name):
        newest = list(failures.order_by("-at").values_list("at", flat=True)[:limit])
        if len(newest) >= limit:
            cool_off = timedelta(minutes=settings.LOGIN_COOL_OFF_MINUTES)
            request.locked_out_until = newest[0] + cool_off  # type: ignore[attr-defined]
            return True
    return False


def _limits(request: HttpRequest, name: str) -> list[tuple[SignInFailureQuerySet, int]]:
    """Return the failures that count against this sign-in, each with its limit."""
    recent = SignInFailure.objects.recent()
    if device := known_device(request, name):
        return [(recent.filter(name_hash=_hash(name), device=device), settings.LOGIN_ATTEMPTS)]
    here = recent.filter(client=client_network(request) or "", device="")
    return [
        (here.filter(name_hash=_hash(name)), settings.LOGIN_ATTEMPTS),
        (here, settings.LOGIN_ATTEMPTS * ADDRESS_LENIENCE),
    ]


def _hash(name: str) -> str:
    return salted_hmac("labeling.web.gate.throttle", name, algorithm="sha256").hexdigest()


def _locked_out(request: HttpRequest, until: datetime) -> HttpResponse:
    seconds = max(1, math.ceil((until - timezone.now()).total_seconds()))
    context = {"minutes": math.ceil(seconds / 60), "signed_in": request.user.is_authenticated}
    page = render(request, "registration/locked_out.html", context, status=429)
    page["Retry-After"] = str(seconds)
    page["Cache-Control"] = "no-store"
    return page
