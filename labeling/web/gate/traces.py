"""Middleware that records a span for each request, if traces are exported."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from labeling.observing import traces
from labeling.web.gate.proxies import TRACE

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
