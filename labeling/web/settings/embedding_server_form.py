"""The form of a server for embeddings."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from labeling.outside.outbound import check_text
from labeling.web.shared.forms import figure_input
from models_store.encoders.options import MOST_CHARACTERS


class EmbeddingServerForm(forms.Form):
    """The address of a server, its key and its price."""

    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=MOST_CHARACTERS,
        widget=forms.TextInput(attrs={"type": "url", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("For example https://api.openai.com/v1/embeddings."),
        error_messages={"required": gettext_lazy("Enter an address.")},
    )
    key = forms.CharField(
        label=gettext_lazy("API key"),
        max_length=1000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("It is stored encrypted, and sent to this address alone. Empty: the present one stays."),
    )
    price = forms.FloatField(
        label=gettext_lazy("Price of a million tokens"),
        required=False,
        min_value=0,
        max_value=1e6,
        widget=figure_input(is_whole=False),
        help_text=gettext_lazy("In the currency of the project’s settings, for an estimate of the cost."),
    )

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"]
        try:
            check_text(address)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return address
