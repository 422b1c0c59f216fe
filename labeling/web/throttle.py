"""Guessing passwords is slow: after so many failures there is a cool-off.

django-axes counts failures in the database, so that all web processes count together. Two limits hold:
`LOGIN_ATTEMPTS` for one name from one address, and `ADDRESS_LENIENCE` times as many for one address, whatever the
names. There is none for a name alone: anybody could then keep anybody else out.

Several guesses that arrive at the same instant are all tried: the limit may be passed by as many as are served at once.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username, get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

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
    """Counts by name and address, and more leniently by address alone."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """What is compared with the limit. A success forgets the failures of its own name and address only."""
        return max(_failures(_of_pair(request, credentials)), _failures(_of_address(request)) // ADDRESS_LENIENCE)

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any
    ) -> None:
        """Somebody whom a proxy names has given no password, so has not guessed one."""
        if "password" in credentials:
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
    pair = _of_pair(request, credentials)
    counted = pair if _failures(pair) >= settings.AXES_FAILURE_LIMIT else _of_address(request)
    newest = counted.aggregate(newest=Max("attempt_time"))["newest"] or timezone.now()
    return newest + get_cool_off(request)


def _of_pair(request: HttpRequest, credentials: dict[str, Any] | None) -> QuerySet[AccessAttempt]:
    return _of_address(request).filter(username=get_client_username(request, credentials))


def _of_address(request: HttpRequest) -> QuerySet[AccessAttempt]:
    return AccessAttempt.objects.filter(
        ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
        attempt_time__gte=get_cool_off_threshold(request),
    )


def _failures(attempts: QuerySet[AccessAttempt]) -> int:
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
