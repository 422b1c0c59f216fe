"""Every request has an id, and is timed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from labeling import logs, metrics, traces
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
    """Middleware, behind `TrustedProxies`: a proxy's X-Request-ID is kept if it is a plain word, otherwise one is made.

    The id stands in the log's lines and in the answer. The time is that of all that follows this middleware. An answer
    that is streamed counts up to its first byte, and keeps its id in the log until the thread's next request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        for call in (*CALLS.values(), *OTHERS):  # what begins at 1 has not risen, and an alert would miss the first
            metrics.requests(call, "5xx")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        text = request.META.get(REQUEST_ID, "")
        request_id = text if SANE.fullmatch(text) else os.urandom(16).hex()
        logs.begin(request_id=request_id, **traces.ids())
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        status = f"{response.status_code // 100}xx"
        metrics.requests(_call(request.resolver_match), status).observe(time.perf_counter() - began)
        return response


def _call(match: ResolverMatch | None) -> str:
    """One of a few words for what was asked for."""
    if match is None:  # a front-end file, or no address of ours
        return "other"
    return CALLS.get(match.view_name) or ("api" if match.namespace == "api" else "page")
