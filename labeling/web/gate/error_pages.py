"""Middleware that shows a page where Django answers with an error and an empty body."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class ErrorPages:
    """Middleware that writes a page into empty responses to a wrong method, and keeps their headers.

    It comes last, so that the page has the visitor's language and menu. Endpoints of the API answer with JSON.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED and not response.streaming and not response.content:
            response.content = render(request, "405.html", {"opened": request.method in ("GET", "HEAD")}).content
        return response
