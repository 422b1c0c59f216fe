"""Middleware that gives each request an id and measures its time."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from labeling.observing import auditlog, logs, metrics, traces
from labeling.web.gate import acts
from labeling.web.gate.proxies import REQUEST_ID

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
                acts.refused(request)
        response.headers["X-Request-ID"] = request_id
        status = f"{response.status_code // 100}xx"
        metrics.requests(_call(request.resolver_match), status).observe(time.perf_counter() - began)
        return response


def _call(match: ResolverMatch | None) -> str:
    """Return the kind of the request for the metrics, one of a few words."""
    if match is None:  # a static file, or an unknown address
        return "other"
    return CALLS.get(match.view_name) or ("api" if match.namespace == "api" else "page")
