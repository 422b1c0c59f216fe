"""The pages of second factors: an authenticator app, passkeys, and recovery codes. django-allauth does the checks."""

import json
import logging
import struct
from typing import Any

from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.account.views import ReauthenticateView
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.signals import authentication_failed
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.forms import AddWebAuthnForm, AuthenticateWebAuthnForm
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from fido2.cose import UnsupportedKey
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from labeling.models import User
from labeling.projects.people import second_factors
from labeling.projects.people.invisible import isolated
from labeling.web.account.provider import provider_name
from labeling.web.shared.pages import for_people

logger = logging.getLogger(__name__)

MOST_BYTES = 20_000
"""A credential is smaller. Those of people are stored."""
# What parsers of bytes, JSON and CBOR raise for anything else.
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, struct.error)

Answer = RegistrationResponse | AuthenticationResponse


class AddPasskeyForm(AddWebAuthnForm):
    """A new passkey."""

    def clean_credential(self) -> dict[str, Any]:
        credential: dict[str, Any] = self.cleaned_data["credential"]
        data = _parsed(RegistrationResponse, credential).response.attestation_object.auth_data.credential_data
        if data is None or isinstance(data.public_key, UnsupportedKey):
            raise _wrong()
        return credential


class PasskeyForm(AuthenticateWebAuthnForm):
    """The answer of a passkey at a sign-in."""

    def clean_credential(self) -> Authenticator:
        try:
            return self._checked()
        except ValidationError:
            own = Authenticator.objects.filter(user=self.user, type=Authenticator.Type.WEBAUTHN).first()
            if own is not None:
                authentication_failed.send(
                    Authenticator, request=context.request, user=self.user, authenticator=own, reauthentication=False
                )
            raise

    def _checked(self) -> Authenticator:
        answer = _parsed(AuthenticationResponse, self.cleaned_data["credential"])
        try:
            passkey: Authenticator = super().clean_credential()
        except MALFORMED:  # of a key that is malformed itself
            raise _wrong() from None
        if not _count(passkey, answer.response.authenticator_data.counter):
            logger.warning("A passkey of account %d was refused: its counter went back.", passkey.user_id)
            raise _wrong()
        return passkey


def _parsed(shape: type[Answer], credential: Any) -> Any:
    """Return the answer of a browser. Raises `ValidationError` if it is malformed, or made for another origin."""
    try:
        answer = shape.from_dict(credential)
        client = answer.response.client_data
        origin, crossed = client.origin, client.cross_origin
        too_long = len(json.dumps(credential)) > MOST_BYTES
    except MALFORMED:
        raise _wrong() from None
    own = f"{context.request.scheme}://{context.request.get_host()}"
    if too_long or crossed or origin not in (own, *settings.CSRF_TRUSTED_ORIGINS):
        raise _wrong()
    return answer


@transaction.atomic
def _count(passkey: Authenticator, counter: int) -> bool:
    """Store the passkey's counter. Return False if it does not grow, so that there may be a copy of the passkey.

    Passkeys that are kept on several devices do not count: theirs is 0.
    """
    row = Authenticator.objects.select_for_update(no_key=True).get(pk=passkey.pk)
    last = row.data.get("counter", row.wrap().authenticator_data.counter)
    if counter <= last and (counter or last):
        return False
    row.data["counter"] = counter
    row.save(update_fields=["data"])
    return True


def _wrong() -> ValidationError:
    error: ValidationError = get_adapter().validation_error("incorrect_code")
    return error


page = method_decorator([require_http_methods(["GET", "HEAD", "POST"]), never_cache], name="dispatch")
INDEX = reverse_lazy("mfa_index")


@never_cache
@for_people("GET", "HEAD")
def index(request: HttpRequest, user: User) -> HttpResponse:
    """List the person's second factors."""
    rows = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    factors = [
        {
            "pk": each.pk,
            "is_app": each.type == Authenticator.Type.TOTP,
            "name": gettext("Authenticator app") if each.type == Authenticator.Type.TOTP else each.wrap().name,
            "added": each.created_at,
            "used": each.last_used_at if each.last_used_at else None,
        }
        for each in rows
        if each.type in second_factors.FACTORS
    ]
    codes = next((each for each in rows if each.type == Authenticator.Type.RECOVERY_CODES), None)
    context = {
        "factors": factors,
        "has_app": any(each["is_app"] for each in factors),
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else None,
        "must": second_factors.is_required(user),
    }
    return render(request, "account/second_factor.html", context)


@page
class Confirm(ReauthenticateView):
    """Ask for the password again, before a change of second factors, or of the link with the login provider."""

    template_name = "account/confirm.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Forget an account of the provider that waits to be linked, if the password is asked for another change.

        A person at an unlocked computer could leave it waiting for the password of the owner.
        """
        if self._links(request) and REDIRECT_FIELD_NAME in {**request.GET, **request.POST}:
            del request.session[STATE_SESSION_KEY]
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        provider = provider_name() if self._links(self.request) else ""
        return {**super().get_context_data(**kwargs), "provider": provider}

    def _links(self, request: HttpRequest) -> bool:
        return "callback" in request.session.get(STATE_SESSION_KEY, {})


@page
class Authenticate(AuthenticateView):
    """Ask for the second factor, after the password."""

    template_name = "registration/second_factor.html"

    def get_webauthn_form_class(self) -> type[PasskeyForm]:
        return PasskeyForm


class AddAppForm(ActivateTOTPForm):
    """The first code of an app. Like any other it counts once: it does not sign in as well."""

    def clean_code(self) -> str:
        code = super().clean_code()
        data = {"secret": get_adapter().encrypt(self.secret)}
        app = Authenticator(user=self.user, type=Authenticator.Type.TOTP, data=data)
        if not app.wrap().validate_code(code):  # which marks the code as used
            raise get_adapter().validation_error("incorrect_code")
        return str(code)


@page
class AddApp(ActivateTOTPView):
    template_name = "account/add_app.html"

    def get_form_class(self) -> type[AddAppForm]:
        return AddAppForm


@page
class RemoveApp(DeactivateTOTPView):
    template_name = "account/remove_factor.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "title": gettext("Remove the authenticator app")}


@page
class AddPasskey(AddWebAuthnView):
    template_name = "account/add_passkey.html"

    def get_form_class(self) -> type[AddPasskeyForm]:
        return AddPasskeyForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        # allauth's class drops a form with errors.
        return {**super().get_context_data(**kwargs), **kwargs}


@page
class RemovePasskey(RemoveWebAuthnView):
    template_name = "account/remove_factor.html"
    success_url = INDEX

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 404 for another person's passkey before the password is asked for."""
        if request.user.is_authenticated:
            get_object_or_404(self.get_queryset(), pk=kwargs["pk"])
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        title = gettext("Remove the passkey %(name)s") % {"name": isolated(self.object.wrap().name)}
        return {**super().get_context_data(**kwargs), "title": title}

    def form_valid(self, form: Any) -> HttpResponse:
        if not get_adapter().can_delete_authenticator(self.object):
            messages.error(self.request, gettext("This server requires a second factor: add another one first."))
            return redirect("mfa_index")
        return super().form_valid(form)


@page
class Codes(ViewRecoveryCodesView):
    http_method_names = ["get", "head", "options"]
    template_name = "account/recovery_codes.html"


@page
class NewCodes(GenerateRecoveryCodesView):
    template_name = "account/new_recovery_codes.html"
