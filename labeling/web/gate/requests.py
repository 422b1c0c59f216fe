"""Middleware that gives each request an id, measures its time and records a span; response headers in addition to
Django's, and pages where Django answers with an error and an empty body; and the audit log of access.

Django announces sign-ins by signals alone. They reach all ways in: the sign-in page, a login header, the first account.
"""

import datetime
import os
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from csp.constants import HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import ResolverMatch
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from labeling.models import LogEntry, LogKind, Project, User
from labeling.observing import auditlog, logs, metrics, traces
from labeling.web.gate.proxies import REQUEST_ID, TRACE

SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")
CALLS = {
    "api:claim": "claim",
    "api:annotations": "submit",
    "api:annotation": "undo",
    "api:skip": "skip",
    "api:release": "release",
    "api:progress": "progress",
}
OTHERS = ("api", "page", "other")


class Requests:
    """Middleware that takes the request's id from a trusted proxy's X-Request-ID, if it is well-formed, or makes one.

    It comes after `TrustedProxies`. The id is in the log's lines and in the response. The measured time includes all
    later middleware; for a streamed response it ends with the first byte, and the id stays in the log until the
    thread's next request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        for call in (*CALLS.values(), *OTHERS):  # alerts miss the first error of a new counter
            metrics.requests(call, "5xx")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        text = request.META.get(REQUEST_ID, "")
        request_id = text if SANE.fullmatch(text) else os.urandom(16).hex()
        logs.begin(request_id=request_id, **traces.ids())
        via = "api" if request.path_info.startswith("/api/") else "page"
        with auditlog.acting(via, request, request_id):
            response = self.get_response(request)
            if response.status_code == HTTPStatus.FORBIDDEN:
                _record_refusal(request)
        response.headers["X-Request-ID"] = request_id
        status = f"{response.status_code // 100}xx"
        metrics.requests(_call(request.resolver_match), status).observe(time.perf_counter() - began)
        return response


def _call(match: ResolverMatch | None) -> str:
    """Return the kind of the request for the metrics, one of a few words."""
    if match is None:  # a static file, or an unknown address
        return "other"
    return CALLS.get(match.view_name) or ("api" if match.namespace == "api" else "page")


# A client can send any other word.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Traces:
    """Middleware between `TrustedProxies`, which removes the `traceparent` of clients, and `Requests`, which makes the
    id.

    A span is named by its route, because a path would name projects, items and invitations.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        method = request.method if request.method in METHODS else "_OTHER"
        headers = {header: request.META[name] for header, name in TRACE.items() if name in request.META}
        with traces.request(str(method), headers) as span:
            response = self.get_response(request)
            span.tell(
                {
                    "http.request.method": str(method),
                    "http.response.status_code": response.status_code,
                    "request_id": response.headers["X-Request-ID"],
                }
            )
            if request.resolver_match is not None:
                route = f"/{request.resolver_match.route}"
                span.rename(f"{method} {route}")
                span.tell({"http.route": route})
            if response.status_code >= 500:
                span.fail(str(response.status_code))
            return response


REFUSED_AGAIN = datetime.timedelta(minutes=10)
"""Of refusals of one person at one address, at most one in this time is recorded: the log must stay bounded."""


@receiver(user_logged_in)
def signed_in(user: User, **_: Any) -> None:
    auditlog.record(LogKind.SIGNED_IN, who=user)


@receiver(user_logged_out)
def signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        auditlog.record(LogKind.SIGNED_OUT, who=user)


def _record_refusal(request: HttpRequest) -> None:
    """Record that the person was refused (403). Refusals of people who are signed out are not recorded."""
    match = request.resolver_match
    if match is None or not request.user.is_authenticated:
        return
    slug = match.kwargs.get("slug")
    project = Project.objects.kept().filter(slug=slug).first() if slug else None
    subject = f"{request.method} {match.view_name}"
    lately = LogEntry.objects.filter(
        chain__name=auditlog.chain_name(project), who=request.user.pk, at__gt=timezone.now() - REFUSED_AGAIN
    )
    if not lately.filter(kind=LogKind.REFUSED, subject=subject).exists():
        auditlog.record(LogKind.REFUSED, project=project, subject=subject)


NO_CHANGE = PolicyParts()


# The defaults for views that set none. API responses hold labels and work in progress, and no program needs a cached
# copy. A browser may keep a page for its "back" button, but asks the server before it shows the page again.
API_CACHE = "private, no-store"
PAGE_CACHE = "private, no-cache"


class MoreHeaders(MiddlewareMixin):
    """Middleware that sets default headers: no sensors and payments, no embedding by other sites, no caching."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if request.resolver_match is not None:  # static files match no view and have headers of their own
            is_api = request.resolver_match.namespace == "api"
            response.headers.setdefault("Cache-Control", API_CACHE if is_api else PAGE_CACHE)
        return response


class ContentPolicy(CSPMiddleware):
    """django-csp's middleware, except that the policy of the settings is built once, because few views change it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self._policy = build_policy()

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        changed = self.get_policy_parts(request, response) != NO_CHANGE
        if changed or hasattr(response, "_csp_exempt") or settings.DEBUG:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, self._policy)
        return response


class ErrorPages(MiddlewareMixin):
    """Middleware that writes a page into empty responses to a wrong method, and keeps their headers.

    It comes last, so that the page has the visitor's language and menu. Endpoints of the API answer with JSON.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and not response.streaming and not response.content:
            response.content = render(request, "405.html", {"opened": request.method in ("GET", "HEAD")}).content
        return response
