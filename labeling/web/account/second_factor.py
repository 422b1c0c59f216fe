"""The pages of second factors: an authenticator app, passkeys, and recovery codes. django-allauth does the checks."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.account.views import ReauthenticateView
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.models import User
from labeling.projects.people import second_factors
from labeling.projects.people.invisible import isolated
from labeling.web.account.passkeys import AddPasskeyForm, PasskeyForm
from labeling.web.account.provider import provider_name

page = method_decorator([require_http_methods(["GET", "HEAD", "POST"]), never_cache], name="dispatch")
INDEX = reverse_lazy("mfa_index")


@require_http_methods(["GET", "HEAD"])
@never_cache
@login_required
def index(request: HttpRequest) -> HttpResponse:
    """List the person's second factors."""
    assert isinstance(request.user, User)
    rows = list(Authenticator.objects.filter(user=request.user).order_by("created_at"))
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
        "must": second_factors.is_required(request.user),
    }
    return render(request, "account/second_factor.html", context)


@page
class Confirm(ReauthenticateView):
    """Ask for the password again, before a change of second factors, or of the link with the login provider."""

    template_name = "account/confirm.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Forget an account of the provider that waits to be linked, if the password is asked for another change.

        Somebody at an unlocked computer could leave it waiting for the password of its owner.
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
            messages.error(self.request, gettext("This server asks you for a second factor: add another one first."))
            return redirect("mfa_index")
        return super().form_valid(form)


@page
class Codes(ViewRecoveryCodesView):
    http_method_names = ["get", "head", "options"]
    template_name = "account/recovery_codes.html"


@page
class NewCodes(GenerateRecoveryCodesView):
    template_name = "account/new_recovery_codes.html"
