"""Signing in by a proxy that has asked an identity provider, and names the person in a header.

The header is believed because it is a trusted proxy's: from anybody else `labeling.web.gate.proxies` has dropped it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from labeling.models import User
from labeling.web.account import first_account


def meta_name(header: str) -> str:
    """Under which name WSGI hands a header over."""
    return "HTTP_" + header.upper().replace("-", "_")


class LoginHeader(RemoteUserMiddleware):
    """Signs in whom the header names. Without the header on a request, a sign-in by it is over."""

    @property
    def header(self) -> str:  # type: ignore[override]
        return meta_name(settings.LOGIN_HEADER)

    def process_request(self, request: HttpRequest) -> None:
        if not settings.LOGIN_HEADER:
            return
        if not request.META.get(self.header, "").strip():
            request.META.pop(self.header, None)  # nobody is not a person of that name
        super().process_request(request)
        if not request.user.is_authenticated:
            # Known to the provider, but not here: the sign-in page says so.
            request.named_by_proxy = request.META.get(self.header, "")  # type: ignore[attr-defined]


class HeaderBackend(RemoteUserBackend):
    """Finds the account of that name, or makes one: without a password, and in no project."""

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, remote_user: str = "", **_: Any
    ) -> User | None:
        """None for a name that no account can have, for one that is switched off, and where none may be made."""
        if not settings.LOGIN_HEADER or not remote_user:
            return None
        name = self.clean_username(remote_user)
        if not _may_be_a_name(name):
            return None
        user = User.objects.filter(username=name).first()
        # The very first account has every right: that one is made with the key, by nobody who just comes along.
        if user is None and settings.LOGIN_HEADER_CREATES_ACCOUNTS and not first_account.is_wanted():
            # Several requests of a page that has just been opened may come first at once.
            user = User.objects.get_or_create(username=name, defaults={"password": make_password(None)})[0]
        return user if user and self.user_can_authenticate(user) else None

    def get_user(self, user_id: int) -> User | None:
        """Nobody stays signed in by a header that is no longer believed."""
        return super().get_user(user_id) if settings.LOGIN_HEADER else None

    def clean_username(self, username: str) -> str:
        return User.normalize_username(username.strip())


def _may_be_a_name(text: str) -> bool:
    try:
        User._meta.get_field("username").run_validators(text)
    except ValidationError:
        return False
    return True
