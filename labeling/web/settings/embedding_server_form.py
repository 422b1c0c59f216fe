"""The form of a server for embeddings."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy

from labeling.web.shared.forms import AddressField, SecretField, figure_input
from models_store.encoders.options import MOST_CHARACTERS


class EmbeddingServerForm(forms.Form):
    """The address of a server, its key and its price."""

    address = AddressField(
        max_length=MOST_CHARACTERS, help_text=gettext_lazy("For example https://api.openai.com/v1/embeddings.")
    )
    key = SecretField(
        label=gettext_lazy("API key"),
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
