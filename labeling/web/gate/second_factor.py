"""Leads people who must have a second factor to its page until they have one, and records changes of factors."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed, authenticator_added, authenticator_removed, authenticator_reset
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.deprecation import MiddlewareMixin

from labeling.models import LogKind, User
from labeling.observing import auditlog
from labeling.projects.people import second_factors
from labeling.projects.people.second_factors import Required

# Pages that are open without a required second factor: those that set one up, and the way out.
OPEN = {
    *("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes", "account_reauthenticate"),
    *("logout", "theme", "healthz", "readyz", "metrics"),
}
BY_PASSWORD = "django.contrib.auth.backends.ModelBackend"  # noqa: S105  no password
HAS_ONE = "has_second_factor"
"""The key in a session that says that its person has a second factor."""
LEAD = "This server asks you for a second factor: set one up first."


class SecondFactorRequired(MiddlewareMixin):
    """Middleware that shows nothing else to people who signed in by password and lack a required second factor.

    Programs with a token have no session, and a login provider has factors of its own.
    """

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        match = request.resolver_match
        if settings.SECOND_FACTOR == Required.NOBODY or match is None or match.view_name in OPEN:
            return None
        if not _lacks_one(request):
            return None
        if "api" in match.namespaces:
            return JsonResponse({"code": "second_factor_required", "detail": LEAD}, status=403)
        return redirect("mfa_index")


def _lacks_one(request: HttpRequest) -> bool:
    session = request.session
    if session.get(BACKEND_SESSION_KEY) != BY_PASSWORD or session.get(HAS_ONE) or not isinstance(request.user, User):
        return False
    if second_factors.has_one(request.user):
        session[HAS_ONE] = True
        return False
    return second_factors.is_required(request.user)


@receiver(authenticator_added)
def added(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type in second_factors.FACTORS:
        auditlog.record(LogKind.FACTOR_ADDED, who=user, whom=user, subject=authenticator.type)


@receiver(authenticator_removed)
def removed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type in second_factors.FACTORS:
        request.session.pop(HAS_ONE, None)
        auditlog.record(LogKind.FACTOR_REMOVED, who=user, whom=user, subject=authenticator.type)


@receiver(authenticator_reset)
def codes_made(user: User, **_: Any) -> None:
    auditlog.record(LogKind.CODES_MADE, who=user, whom=user)


@receiver(authentication_failed)
def failed(user: User, **_: Any) -> None:
    auditlog.record(LogKind.SIGN_IN_FAILED, whom=user, subject="second factor")
