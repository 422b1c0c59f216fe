"""The choice of an encoder as a form: a control for each encoder, and below it one for each of its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField, BoundWidget

# Pages know encoders by way of the pipeline only.
from labeling.models import Project
from labeling.projects.encoder_settings import Option, check_encoder, encoders_for, name_of, weights_there
from labeling.web.shared.forms import figure_input


class EncoderForm(forms.Form):
    """What the project can choose from. `choice()` is what was chosen, once the form is valid."""

    name = forms.ChoiceField(label="Encoder", widget=forms.RadioSelect)

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kind = project.kind
        self._encoders = {encoder.name: encoder for encoder in encoders_for(project.kind)}
        self.fields["name"].choices = [(name, name) for name in self._encoders]  # type: ignore[attr-defined]
        self.initial = {"name": name_of(project.kind, project.encoder)}
        weights = weights_there()
        for name, encoder in self._encoders.items():
            for option, meant in encoder.options.items():
                self.fields[_field(name, option)] = _control(option, meant, weights)
        for option, value in project.encoder.get("options", {}).items():
            self.initial[_field(self.initial["name"], option)] = value

    def rows(self) -> Iterator[tuple[BoundWidget, str, list[BoundField]]]:
        """Each encoder's button, what it does, and its options."""
        for button in self["name"]:
            encoder = self._encoders[str(button.data["value"])]
            yield button, encoder.meaning, [self[_field(encoder.name, option)] for option in encoder.options]

    def choice(self) -> dict[str, Any]:
        """As `choose_encoder` takes it; what was left empty keeps its default."""
        name = self.cleaned_data["name"]
        given = {option: self.cleaned_data.get(_field(name, option)) for option in self._encoders[name].options}
        return {"name": name, "options": {option: value for option, value in given.items() if value not in ("", None)}}

    def clean(self) -> None:
        if "name" not in self.cleaned_data or self.errors:
            return
        try:
            check_encoder(self._kind, self.choice())
        except ValidationError as error:
            self.add_error(_field(self.cleaned_data["name"], error.code or ""), error.messages[0])


def _field(encoder: str, option: str) -> str:
    return f"{encoder}-{option}"


def _control(name: str, option: Option, weights: list[str]) -> forms.Field:
    told: dict[str, Any] = {
        "label": name.capitalize(),
        "help_text": option.meaning,
        "required": False,
    }
    if option.weights:
        return forms.ChoiceField(choices=[("", "Choose …"), *((each, each) for each in weights)], **told)
    if isinstance(option.default, int):
        text = f"Enter a whole number from {option.low} to {option.high}, or nothing for {option.default}."
        widget = figure_input(whole=True, placeholder=str(option.default))
        return forms.IntegerField(widget=widget, error_messages={"invalid": text}, **told)
    return forms.CharField(strip=False, widget=forms.TextInput(attrs={"spellcheck": "false"}), **told)
