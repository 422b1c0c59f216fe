"""Forms for an account and its tokens."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.utils.translation import gettext_lazy as _

from labeling.models import User


class AccountForm(BaseUserCreationForm):
    """A username and a password for a new account. Validation does not reveal whether the username is taken."""

    class Meta:
        model = User
        fields = ("username",)

    def validate_unique(self) -> None:
        """Skip the check for uniqueness; the code that creates the account makes it."""


class TokenForm(forms.Form):
    """The lifetime of a new API token."""

    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        choices=[(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("a year"))],
        initial=30,
        help_text=_("A program with the token acts as you until then, or until you revoke it."),
    )
