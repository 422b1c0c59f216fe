"""Guessing passwords is slow: after so many failures there is a cool-off.

django-axes counts failures in the database, so that all web processes count together. Two limits hold:
`LOGIN_ATTEMPTS` for one name from one address, and `ADDRESS_LENIENCE` times as many for one address, whatever the
names. There is none for a name alone: anybody could then keep anybody else out. Whoever signs in from a browser in
which that account was signed in before is held to neither, but to `LOGIN_ATTEMPTS` for that browser.

Several guesses that arrive at the same instant are all tried: the limit may be passed by as many as are served at once.
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

from labeling.web.gate.devices import known_device

# People behind one address (an office) mistype more often than one person.
ADDRESS_LENIENCE = 10


class Throttle(AxesStandaloneBackend):
    """The first authentication backend: refuses whoever is cooling off, and passes everybody else on to the next."""

    def authenticate(
        self, request: HttpRequest | None, username: Any = None, password: Any = None, **more: Any
    ) -> None:
        """Only passwords are guessed, and only from outside."""
        if request is not None and password is not None:
            super().authenticate(request, username, password, **more)


class Handler(AxesDatabaseHandler):
    """Counts by device and name; without a device by name and address, and more leniently by address alone."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """What is compared with the limit."""
        return max(_failures(attempts) // lenience for attempts, lenience in _limits(request, credentials))

    def filter_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> list[QuerySet[AccessAttempt]]:
        """What a success forgets: the failures of its own name, from its own device or address."""
        return [_limits(request, credentials)[0][0]]

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any
    ) -> None:
        """Somebody whom a proxy names has given no password, so has not guessed one."""
        if "password" in credentials and request is not None:
            # In the place of the browser's name, which tells nothing and which anybody may choose.
            request.axes_user_agent = known_device(  # type: ignore[attr-defined]
                request, get_client_username(request, credentials)
            )
            super().user_login_failed(sender, credentials, request, **more)


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """The page for whoever has to wait, with the time when trying again makes sense."""
    seconds = max(1, math.ceil((_locked_until(request, credentials) - timezone.now()).total_seconds()))
    context = {"minutes": math.ceil(seconds / 60), "signed_in": request.user.is_authenticated}
    page = render(request, "registration/locked_out.html", context, status=429)
    page["Retry-After"] = str(seconds)
    page["Cache-Control"] = "no-store"
    return page


def client_in_log(username: str, address: str, *_: Any) -> str:
    """Whom the log names: never by what was typed as a name, which now and then is a password."""
    return f"the client at {address}"


def _locked_until(request: HttpRequest, credentials: dict[str, Any] | None) -> datetime:
    """When the newest failure of those that count is forgotten."""
    limit = get_failure_limit(request, credentials)
    reached = (a for a, lenience in _limits(request, credentials) if _failures(a) // lenience >= limit)
    attempts = next(reached, AccessAttempt.objects.none())
    return (attempts.aggregate(newest=Max("attempt_time"))["newest"] or timezone.now()) + get_cool_off(request)


def _limits(request: HttpRequest, credentials: dict[str, Any] | None) -> list[tuple[QuerySet[AccessAttempt], int]]:
    """The failures that count against this sign-in, each with how many times the limit they may reach."""
    name = get_client_username(request, credentials)
    recent = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))
    if device := known_device(request, name):
        return [(recent.filter(username=name, user_agent=device), 1)]
    here = recent.filter(ip_address=request.axes_ip_address, user_agent="")  # type: ignore[attr-defined]
    return [(here.filter(username=name), 1), (here, ADDRESS_LENIENCE)]


def _failures(attempts: QuerySet[AccessAttempt]) -> int:
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
