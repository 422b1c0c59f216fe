"""Signing in to the API by the session of a browser."""

from __future__ import annotations

from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from labeling.intake import uploads


class SessionByHeader(SessionAuthentication):
    """The CSRF token is taken from the header alone: to look for it in a form, all of that would be read first."""

    def enforce_csrf(self, request: Request) -> None:
        super().enforce_csrf(uploads.without_body(request._request))  # type: ignore[arg-type]
