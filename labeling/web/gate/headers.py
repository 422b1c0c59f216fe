"""Response headers in addition to Django's, and pages where Django answers with an error and an empty body."""

from collections.abc import Callable
from http import HTTPStatus

from csp.constants import HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

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
