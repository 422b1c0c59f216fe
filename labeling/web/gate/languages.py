"""Answers people in their language: the choice of the account, or else that of the browser.

docs/decisions/25-languages.md says why.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import OperationalError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from labeling.models import User

IN_ENGLISH = frozenset(
    {
        *("label-classes", "label-today", "label-worker", "project-item-classes"),
        *("admin-password", "admin-sign-in", "api-docs", "healthz", "metrics", "readyz", "schema"),
    }
)
"""The names of the addresses that answer in English: those for scripts and operators."""


def is_translated(name: str) -> bool:
    """Return whether the page is translated: all but those of `IN_ENGLISH`, the API and the admin."""
    return name not in IN_ENGLISH and ":" not in name


class Languages:
    """Middleware that sets the language of a page.

    The API answers in English, and so do pages that are not translated yet. It comes after the middleware that signs
    people in, and adds no query: every page reads the account anyway.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        # Some texts are made as modules load: in English, not in the language of the first request.
        import_module(settings.ROOT_URLCONF)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            return self.get_response(request)
        with translation.override(_language_of(request)):
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language())
        patch_vary_headers(response, ["Accept-Language"])
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        if request.resolver_match is None or not is_translated(request.resolver_match.view_name):
            translation.activate(settings.LANGUAGE_CODE)


@receiver(user_logged_in)
def keep_language(user: User, request: HttpRequest, **_: object) -> None:
    """Store the browser's language for the person's mails, which are written where no browser is known."""
    language = translation.get_language_from_request(request)
    kept = "" if language == settings.LANGUAGE_CODE else language
    if user.browser_language != kept:
        user.browser_language = kept
        user.save(update_fields=["browser_language"])


def _language_of(request: HttpRequest) -> str:
    """Return the account's choice; without one, the first of the browser's languages that we support."""
    try:
        chosen = request.user.language if isinstance(request.user, User) else ""
    except OperationalError:  # the page says that the database does not answer
        chosen = ""
    if chosen in dict(settings.LANGUAGES):
        return chosen
    return translation.get_language_from_request(request)
