"""Sign-in at an OpenID Connect provider: docs/decisions/38-signing-in.md.

django-allauth does the exchange. Here are its checks that this site makes stricter, and who may enter.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, NoReturn

import jwt
from allauth.account.decorators import reauthentication_required
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, get_adapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.socialaccount.signals import social_account_added
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.backends import ModelBackend
from django.db import transaction
from django.db.models.expressions import DatabaseDefault
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from requests import RequestException, Response, Session

from labeling.models import LogKind, User
from labeling.observing import auditlog
from labeling.outside.waiting import Busy, Places
from labeling.projects.people import invitations
from labeling.web.shared.pages import for_people

logger = logging.getLogger(__name__)

PROVIDER = "oidc"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
BACKEND = f"{__name__}.ProviderBackend"
GROUPS = "groups"
"""The key in the state of a sign-in for the groups that the provider named."""


def provider_name() -> str:
    """Return the name of the login provider on pages; "" without one."""
    return settings.OIDC_NAME if settings.OIDC_ISSUER else ""


class ProviderBackend(ModelBackend):
    """The backend of sessions that the provider began. They end when the setting `OIDC_ISSUER` is removed."""

    def authenticate(self, *args: Any, **more: Any) -> None:
        return None

    def get_user(self, user_id: int) -> User | None:
        return super().get_user(user_id) if settings.OIDC_ISSUER else None


class Provider(OpenIDConnectProvider):
    """The provider, with a nonce, and with no parameter that a link could choose."""

    def get_oauth2_adapter(self, request: HttpRequest) -> Exchange:
        return Exchange(request, PROVIDER)

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, str]:
        return {}

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        return self.get_scope()

    def redirect(self, request: HttpRequest, process: str, next_url: str | None = None, **more: Any) -> HttpResponse:
        nonce = secrets.token_urlsafe(16)
        more["auth_params"] = {"nonce": nonce}
        return super().redirect(request, process, next_url, nonce=nonce, **more)

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Return the key of the account: the provider's own and its subject. Names and addresses can change owners."""
        token = data["id_token"]
        return hashlib.sha256(f"{token['iss']}\n{token['sub']}".encode()).hexdigest()

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {}

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        return []

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, str]:
        return {"username": str(data.get("userinfo", {}).get("preferred_username") or data["id_token"]["sub"])}


class Exchange(OpenIDConnectOAuth2Adapter):
    """The exchange of the code for tokens."""

    def get_provider(self) -> Provider:
        return Provider(self.request, app=super().get_provider().app)

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return (settings.SITE_URL or f"{request.scheme}://{request.get_host()}") + reverse("provider-callback")

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **more: Any) -> SocialLogin:
        """Return the sign-in. Raises `OAuth2Error` if an answer is not of this provider, or not of one person."""
        issuer = self.openid_config.get("issuer", "")
        if issuer.rstrip("/") != settings.OIDC_ISSUER.rstrip("/") or request.GET.get("iss", issuer) != issuer:
            raise OAuth2Error("The answer is of another issuer.")
        if not more["response"].get("id_token"):
            raise OAuth2Error("The provider sent no ID token.")
        claims = self._decode_id_token(app, more["response"]["id_token"])
        info = self._fetch_user_info(token.token)
        if not isinstance(info, dict) or info.get("sub") != claims["sub"]:
            raise OAuth2Error("The tokens are of two persons.")
        login = self.get_provider().sociallogin_from_response(request, {"userinfo": info, "id_token": claims})
        login.nonce = claims.get("nonce", "")
        login.groups = _groups_of(info.get(settings.OIDC_GROUPS_CLAIM, claims.get(settings.OIDC_GROUPS_CLAIM, [])))
        return login

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        """Return the claims of a token that the provider signed, for this site, and that is not over.

        allauth verifies no signature of a token that comes by TLS; inner networks sometimes have none.
        """
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"]).json()
        if not isinstance(answer, dict):
            raise OAuth2Error("The provider's keys are no object.")
        try:
            keys = jwt.PyJWKSet.from_dict(answer).keys
            kid = jwt.get_unverified_header(id_token).get("kid")
            own = [key for key in keys if kid in (None, key.key_id)]
            if len(own) != 1:
                raise OAuth2Error("The ID token names no key of the provider.")
            options: Any = {"require": ["exp", "iat", "sub"]}
            issuer = self.openid_config["issuer"]
            return jwt.decode(id_token, own[0], ALGORITHMS, options, audience=app.client_id, issuer=issuer)
        except jwt.PyJWTError as error:
            raise OAuth2Error(f"The ID token is not valid: {error}") from error


EXCHANGES = Places(2, 2)
"""The requests to the provider that a process sends at a time."""


class ProviderAccounts(DefaultSocialAccountAdapter):
    """Who may enter by the provider."""

    error_messages = {
        **DefaultSocialAccountAdapter.error_messages,
        "connected_other": gettext_lazy("Another account here is linked with that one."),
    }

    def get_requests_session(self) -> Session:
        """Return a session whose requests have a time limit, and few places: the provider may be silent."""
        session: Session = super().get_requests_session()
        session.request = partial(self._requested, session.request)  # type: ignore[method-assign]
        return session

    def _requested(self, request: Callable[..., Response], *args: Any, **more: Any) -> Response:
        try:
            give_back = EXCHANGES.take()
        except Busy as busy:
            self.on_authentication_error(context.request, None, exception=busy)
        try:
            return request(*args, **more)
        except RequestException as error:
            self.on_authentication_error(context.request, None, exception=error)
        finally:
            give_back()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse an ID token that was not made for this sign-in."""
        if not constant_time_compare(sociallogin.nonce, sociallogin.state.get("nonce") or "-"):
            self.on_authentication_error(request, None, exception=OAuth2Error("The nonce is another one."))
        # In the state, which lasts through a second factor.
        sociallogin.state[GROUPS] = sociallogin.groups
        sociallogin.token = None  # nothing asks the provider again, and a session would store it

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Return whether the person gets an account: by `OIDC_CREATES_ACCOUNTS`, or with an open invitation."""
        if settings.OIDC_CREATES_ACCOUNTS or _is_invitation(sociallogin.state.get("next") or ""):
            return True
        page = render(request, "registration/no_account.html", {"provider": settings.OIDC_NAME}, status=403)
        raise ImmediateHttpResponse(page)

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Take the name alone: this site stores no e-mail address that its person has not confirmed here."""
        sociallogin.user.username = User.normalize_username(data["username"])
        return sociallogin.user

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user = super().save_user(request, sociallogin, form)
        auditlog.record(LogKind.ACCOUNT_CREATED, who=user, whom=user)
        return user

    def serialize_instance(self, instance: Any) -> dict[str, Any]:
        """Return the row as a session keeps it, without the values that the database sets: they are no JSON."""
        row = copy(instance)
        for name, value in list(vars(row).items()):
            if isinstance(value, DatabaseDefault):
                delattr(row, name)
        return dict(super().serialize_instance(row))

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("account")

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> NoReturn:
        """Log the error, and lead back. The page does not repeat what the address bar says."""
        logger.warning("A sign-in at the provider failed: %.500s", exception or error)
        sentence = gettext("Signing in with %(provider)s did not work. Try again.")
        messages.error(request, sentence % {"provider": settings.OIDC_NAME})
        raise ImmediateHttpResponse(redirect("account" if request.user.is_authenticated else "login"))


def _groups_of(claim: Any) -> list[str]:
    """Return the groups that the claim names: a list of texts, or one text. Another form names none."""
    if isinstance(claim, str):
        return [claim]
    if isinstance(claim, list) and all(isinstance(each, str) for each in claim):
        return claim
    logger.warning("The provider's claim %r is no list of texts: it counts as no group.", settings.OIDC_GROUPS_CLAIM)
    return []


@receiver(social_account_added)
def linked(request: HttpRequest, **_: Any) -> None:
    auditlog.record(LogKind.PROVIDER_LINKED)


def _is_invitation(path: str) -> bool:
    try:
        match = resolve(path.partition("?")[0])
    except Resolver404:
        return False
    return match.view_name == "invitation" and invitations.find(match.kwargs["token"]) is not None


@require_POST
@never_cache
def begin(request: HttpRequest) -> HttpResponse:
    """Send the person to the provider: to sign in, or with `process=connect` to link the account."""
    return OAuth2LoginView.adapter_view(_exchange(request))(request)


@require_safe
@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Take the person back from the provider."""
    return OAuth2CallbackView.adapter_view(_exchange(request))(request)


@never_cache
@for_people("GET", "HEAD", "POST")
def unlink(request: HttpRequest, user: User) -> HttpResponse:
    """Ask for confirmation (GET), then unlink the person's accounts of the provider (POST)."""
    if not (settings.OIDC_ISSUER and SocialAccount.objects.filter(user=user).exists()):
        raise Http404("No account of a login provider is linked.")
    return _unlink(request, user)


@reauthentication_required  # type: ignore[untyped-decorator]
def _unlink(request: HttpRequest, user: User) -> HttpResponse:
    posted = request.method == "POST"
    if not posted or not user.has_usable_password():
        context = {"provider": settings.OIDC_NAME}
        return render(request, "account/unlink.html", context, status=400 if posted else 200)
    with transaction.atomic():
        SocialAccount.objects.filter(user=user).delete()
        auditlog.record(LogKind.PROVIDER_UNLINKED)
    sentence = gettext("%(provider)s is unlinked: it no longer signs you in here.")
    messages.success(request, sentence % {"provider": settings.OIDC_NAME})
    return redirect("account")


def _exchange(request: HttpRequest) -> Exchange:
    if not settings.OIDC_ISSUER:
        raise Http404("This server has no login provider.")
    return Exchange(request, PROVIDER)
