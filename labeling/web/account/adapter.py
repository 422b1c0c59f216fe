"""What django-allauth asks this site: docs/decisions/38-signing-in.md."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling.models import User
from labeling.projects.people import members, second_factors
from labeling.storage.db.sealed import seal, unseal
from labeling.web.account import provider
from labeling.web.gate import sessions
from labeling.web.gate.sessions import client_address

LINKED = "socialaccount/messages/account_connected_other.txt"
"""allauth's message that the account at the provider is linked with another account here."""


class Accounts(DefaultAccountAdapter):
    """Local accounts: people come in by invitation, and sign in by their username."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_stages(self) -> list[str]:
        """Return what a sign-in takes after the password."""
        return ["allauth.mfa.stages.AuthenticateStage"]

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        """Return whether a change takes the password again: not from people who have none, whom a provider signs in."""
        return bool(context.request.user.has_usable_password())

    def post_login(self, request: HttpRequest, user: User, **more: Any) -> HttpResponse:
        """Remember the browser once the sign-in is complete."""
        response = super().post_login(request, user, **more)
        if login := (more.get("signal_kwargs") or {}).get("sociallogin"):
            members.apply_group_roles(user=user, groups=login.state[provider.GROUPS])
        sessions.remember(request, response, user)
        return response

    def login(self, request: HttpRequest, user: User) -> None:
        """Begin the session, marked with the way in: a provider's sessions depend on its setting."""
        if any(each["method"] == "socialaccount" for each in get_authentication_records(request, user)):
            user.backend = provider.BACKEND
        super().login(request, user)

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        messages.error(request, gettext("This account is closed. Ask the administrator of this server."))
        return redirect("login")

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave the limit on failed sign-ins to `labeling.web.gate.throttle`."""

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **more: Any
    ) -> None:
        """Show a message that allauth states in words, and why a link was refused.

        allauth's other templates are not ours: the pages say what happened.
        """
        refused = provider.ProviderAccounts.error_messages["connected_other"] if message_template == LINKED else None
        if message := more.get("message") or refused:
            messages.add_message(request, level, message)

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)


class SecondFactors(DefaultMFAAdapter):
    """Second factors, whose secrets are stored encrypted."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("This code is wrong, too old, or was used before. Enter the next one."),
        "cannot_delete_authenticator": _("This server requires a second factor: add another one first."),
    }

    def encrypt(self, text: str) -> str:
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text)

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        user = authenticator.user
        return not second_factors.is_required(user) or second_factors.has_one(user, without=authenticator)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return gettext("Passkey") if number == 1 else gettext("Passkey %(number)s") % {"number": number}

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code as an element for a page, without the prolog of a file."""
        svg = super().build_totp_svg(url)
        return svg[svg.index("<svg") :]

    def _get_user_identifier(self, user: User) -> str:
        return user.get_username()
