"""What django-allauth asks this site: docs/decisions/0125-accounts-by-allauth.md."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from labeling.models import User
from labeling.web.gate import devices
from labeling.web.gate.sessions import client_of


class Accounts(DefaultAccountAdapter):
    """Local accounts: people come in by invitation, and sign in by their username."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        """Return what a sign-in takes after the password."""
        return []

    def post_login(self, request: HttpRequest, user: User, **more: Any) -> HttpResponse:
        """Remember the browser once the sign-in is complete."""
        response = super().post_login(request, user, **more)
        devices.remember(request, response, user)
        return response

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave the limit on failed sign-ins to `labeling.web.gate.throttle`."""

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **more: Any
    ) -> None:
        """Show a message that allauth states in words. Its templates are not ours: the pages say what happened."""
        if message := more.get("message"):
            messages.add_message(request, level, message)

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_of(request)
