"""The pages for a forgotten password: ask for a link by e-mail, and set a new password with it."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import PasswordResetConfirmView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.models import LogKind, SignInFailure
from labeling.observing import auditlog
from labeling.outside.mailing import resets


class AddressForm(forms.Form):
    """The confirmed address of an account."""

    address = forms.EmailField(
        label=_("Your e-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask(request: HttpRequest) -> HttpResponse:
    """Have a link mailed. The answer is the same for every address; without a mail server it says whom to ask."""
    form = AddressForm(request.POST if request.method == "POST" and settings.MAIL else None)
    asked = form.is_bound and form.is_valid()
    if asked:
        resets.ask(form.cleaned_data["address"])
    context = {"form": form, "can_mail": settings.MAIL, "asked": asked}
    return render(request, "registration/forgotten.html", context, status=400 if form.errors else 200)


@method_decorator(require_http_methods(["GET", "HEAD", "POST"]), name="dispatch")  # before the link is checked
class NewPassword(PasswordResetConfirmView):
    """The page of a mailed link. A new password ends all sessions and API tokens, and the wait after failed sign-ins.

    It signs no one in: a thief of the mail still needs the second factor.
    """

    template_name = "registration/new_password.html"
    token_generator = resets.TOKENS
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            SignInFailure.objects.filter(user=form.user).delete()
            auditlog.record(LogKind.PASSWORD_RESET, who=form.user, whom=form.user)
        messages.success(self.request, gettext("Your new password is set. Sign in with it."))
        return response

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        if not context["validlink"]:
            more["status"] = 404
        elif context["form"].errors:
            more["status"] = 400
        return super().render_to_response(context, **more)
