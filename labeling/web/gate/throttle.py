"""Limits failed sign-ins: after a number of failures, further tries are refused for a while.

django-axes counts failures in the database, so that all web processes share the counts. There are two limits:
`LOGIN_ATTEMPTS` for one username from one address, and `ADDRESS_LENIENCE` times as many for one address and all
usernames. There is no limit for a username alone, because any client could then lock its owner out. A browser in which
the account has signed in before has its own limit of `LOGIN_ATTEMPTS` instead.

Tries that arrive at the same instant are all checked, so the limit can be exceeded by the number of concurrent
requests.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username, get_cool_off, get_failure_limit
from axes.models import AccessAttempt
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from labeling import auditlog
from labeling.models import LogKind, User
from labeling.web.gate.devices import known_device

# People behind one address, for example in an office, mistype more often than one person.
ADDRESS_LENIENCE = 10


class Throttle(AxesStandaloneBackend):
    """The first authentication backend: refuses clients that exceeded a limit, and leaves the others to the next
    backend.
    """

    def authenticate(
        self, request: HttpRequest | None, username: Any = None, password: Any = None, **more: Any
    ) -> None:
        """Check the limits for a sign-in with a password over HTTP, and for no other."""
        if request is not None and password is not None:
            super().authenticate(request, username, password, **more)


class Handler(AxesDatabaseHandler):
    """Counts failures by device and username; without a device by username and address, and by address alone."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the number of failures that axes compares with the limit."""
        return max(_failures(attempts) // lenience for attempts, lenience in _limits(request, credentials))

    def filter_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> list[QuerySet[AccessAttempt]]:
        """Return the failures that a successful sign-in deletes: those of its username from its device or address."""
        return [_limits(request, credentials)[0][0]]

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any
    ) -> None:
        """Count a failure, unless the sign-in had no password, as with a login header."""
        if "password" in credentials and request is not None:
            # The device replaces the user agent, which clients choose freely.
            request.axes_user_agent = known_device(  # type: ignore[attr-defined]
                request, get_client_username(request, credentials)
            )
            _record(request, get_client_username(request, credentials))
            super().user_login_failed(sender, credentials, request, **more)


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """Render the page for a locked-out client, with the time until the next try."""
    seconds = max(1, math.ceil((_locked_until(request, credentials) - timezone.now()).total_seconds()))
    context = {"minutes": math.ceil(seconds / 60), "signed_in": request.user.is_authenticated}
    page = render(request, "registration/locked_out.html", context, status=429)
    page["Retry-After"] = str(seconds)
    page["Cache-Control"] = "no-store"
    return page


def client_in_log(username: str, address: str, *_: Any) -> str:
    """Name the client in the log by its address alone, because users sometimes type their password as the username."""
    return f"the client at {address}"


def _record(request: HttpRequest, name: str) -> None:
    """Record the failure, with the account but without the typed name, which may be a password.

    Tries of a client that is locked out are not recorded: the limits bound the log, too.
    """
    if not getattr(request, "axes_locked_out", False):
        auditlog.record(LogKind.SIGN_IN_FAILED, whom=User.objects.filter(username=name).first())


def _locked_until(request: HttpRequest, credentials: dict[str, Any] | None) -> datetime:
    """Return when the newest failure that counts expires."""
    limit = get_failure_limit(request, credentials)
    reached = (a for a, lenience in _limits(request, credentials) if _failures(a) // lenience >= limit)
    attempts = next(reached, AccessAttempt.objects.none())
    return (attempts.aggregate(newest=Max("attempt_time"))["newest"] or timezone.now()) + get_cool_off(request)


def _limits(request: HttpRequest, credentials: dict[str, Any] | None) -> list[tuple[QuerySet[AccessAttempt], int]]:
    """Return the failures that count against this sign-in, each with the factor by which their limit is raised."""
    name = get_client_username(request, credentials)
    recent = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))
    if device := known_device(request, name):
        return [(recent.filter(username=name, user_agent=device), 1)]
    here = recent.filter(ip_address=request.axes_ip_address, user_agent="")  # type: ignore[attr-defined]
    return [(here.filter(username=name), 1), (here, ADDRESS_LENIENCE)]


def _failures(attempts: QuerySet[AccessAttempt]) -> int:
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
