"""Sign-in by a proxy that authenticates users with an identity provider and sends the username in a header.

Only trusted proxies can send the header; `labeling.web.gate.proxies` removes it from all other requests.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from labeling.models import LogKind, User
from labeling.observing import auditlog
from labeling.web.account import first_account


def meta_name(header: str) -> str:
    """Return the header's name in `request.META`."""
    return "HTTP_" + header.upper().replace("-", "_")


class LoginHeader(RemoteUserMiddleware):
    """Signs in the user that the header names, and signs the user out on a request without the header."""

    @property
    def header(self) -> str:  # type: ignore[override]
        return meta_name(settings.LOGIN_HEADER)

    def process_request(self, request: HttpRequest) -> None:
        if not settings.LOGIN_HEADER:
            return
        if not request.META.get(self.header, "").strip():
            request.META.pop(self.header, None)  # an empty header names no user
        super().process_request(request)
        if not request.user.is_authenticated:
            # The provider knows the user, but there is no account: the sign-in page says so.
            request.named_by_proxy = request.META.get(self.header, "")  # type: ignore[attr-defined]


class HeaderBackend(RemoteUserBackend):
    """Finds the account with the username, or creates one without a password and without a project."""

    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, remote_user: str = "", **_: Any
    ) -> User | None:
        """Return the account; None for an invalid username, an inactive account, or where none may be created."""
        if not settings.LOGIN_HEADER or not remote_user:
            return None
        name = self.clean_username(remote_user)
        if not _may_be_a_name(name):
            return None
        user = User.objects.filter(username=name).first()
        # The first account is a superuser and is only created with the key.
        if user is None and settings.LOGIN_HEADER_CREATES_ACCOUNTS and not first_account.is_wanted():
            # Several requests of a page may arrive at once.
            with transaction.atomic():
                values = {"password": make_password(None)}
                user, created = User.objects.get_or_create(username=name, defaults=values)
                if created:
                    auditlog.record(LogKind.ACCOUNT_CREATED, who=user, whom=user)
        return user if user and self.user_can_authenticate(user) else None

    def get_user(self, user_id: int) -> User | None:
        """Return the user; None once the setting `LOGIN_HEADER` is empty, which ends sessions that it started."""
        return super().get_user(user_id) if settings.LOGIN_HEADER else None

    def clean_username(self, username: str) -> str:
        return User.normalize_username(username.strip())


def _may_be_a_name(text: str) -> bool:
    try:
        User._meta.get_field("username").run_validators(text)
    except ValidationError:
        return False
    return True
