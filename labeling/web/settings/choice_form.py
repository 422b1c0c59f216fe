"""A form that chooses an encoder or a model: a button for each, and a field for each of its options."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField, BoundWidget
from django.utils.translation import gettext, gettext_lazy

from labeling.models import Project
from labeling.projects.encoders.embedding_servers import check_encoder_choice
from labeling.projects.encoders.encoder_settings import encoders_for, installed_weights, name_of
from labeling.projects.model_settings import check_model, learners_for
from labeling.web.shared.forms import figure_input, translated
from models_store.encoders.options import Option


class Offer(Protocol):
    """An encoder or a model to choose."""

    name: Any
    title: Any
    meaning: Any
    options: Any


class ChoiceForm(forms.Form):
    """A choice among offers. `choice()` returns the valid choice: {"name": …, "options": {…}}."""

    name = forms.ChoiceField(label=gettext_lazy("Name"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, offers: Sequence[Offer], chosen: dict[str, Any], **kwargs: Any) -> None:
        """Make the form of a choice among `offers`; the first one is the default."""
        super().__init__(*args, **kwargs)
        self._offers = {offer.name: offer for offer in offers}
        self.fields["name"].choices = [  # type: ignore[attr-defined]
            (name, translated(offer.title) if offer.title else name) for name, offer in self._offers.items()
        ]
        self.initial = {"name": chosen.get("name") or next(iter(self._offers))}
        self._weights = installed_weights()
        for name, offer in self._offers.items():
            for option, meant in offer.options.items():
                self.fields[_field(name, option)] = _control(option, meant, sorted({*self._weights, *meant.packaged()}))
        for option, value in chosen.get("options", {}).items():
            self.initial[_field(self.initial["name"], option)] = value

    def check(self, choice: dict[str, Any]) -> Any:
        """Raise `ValidationError` for an invalid choice; its `code` is the name of the option at fault."""
        raise NotImplementedError

    def rows(self) -> Iterator[tuple[BoundWidget, str, list[BoundField], bool]]:
        """Yield each offer's button, description, fields, and whether it lacks weights that it needs."""
        for button in self["name"]:
            offer = self._offers[str(button.data["value"])]
            fields = [self[_field(offer.name, option)] for option in offer.options]
            lacking = any(each.weights and not (self._weights or each.packaged()) for each in offer.options.values())
            yield button, translated(offer.meaning), fields, lacking

    def choice(self) -> dict[str, Any]:
        """Return the chosen name with its options. An empty option keeps its default."""
        name = self.cleaned_data["name"]
        options = {option: self.cleaned_data.get(_field(name, option)) for option in self._offers[name].options}
        return {
            "name": name,
            "options": {option: value for option, value in options.items() if value not in ("", None)},
        }

    def clean(self) -> None:
        if "name" not in self.cleaned_data or self.errors:
            return
        try:
            self.check(self.choice())
        except ValidationError as error:
            field = _field(self.cleaned_data["name"], error.code or "")
            self.add_error(field if field in self.fields else "name", error.messages[0])


class EncoderForm(ChoiceForm):
    """The choice of the project's encoder."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        self._project = project
        chosen = {**project.encoder, "name": name_of(project.kind, project.encoder)}
        super().__init__(*args, offers=encoders_for(project.kind), chosen=chosen, **kwargs)

    def check(self, choice: dict[str, Any]) -> Any:
        return check_encoder_choice(self._project, choice)


class ModelForm(ChoiceForm):
    """The choice of the project's model."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        self._project = project
        super().__init__(*args, offers=learners_for(project.question), chosen=project.model, **kwargs)

    def check(self, choice: dict[str, Any]) -> Any:
        private = self._project.privacy_epsilon is not None
        return check_model(choice, question=self._project.question, private=private)


def _field(offer: str, option: str) -> str:
    return f"{offer}-{option}"


def _control(name: str, option: Option, weights: list[str]) -> forms.Field:
    shared: dict[str, Any] = {
        "label": gettext(name.capitalize()),
        "help_text": translated(option.meaning),
        "required": False,
    }
    if option.weights:
        return forms.ChoiceField(choices=[("", gettext("Choose …")), *((each, each) for each in weights)], **shared)
    if isinstance(option.default, int):
        text = gettext("Enter a whole number from %(low)s to %(high)s, or nothing for %(default)s.") % {
            "low": option.low,
            "high": option.high,
            "default": option.default,
        }
        widget = figure_input(is_whole=True, placeholder=str(option.default))
        return forms.IntegerField(widget=widget, error_messages={"invalid": text}, **shared)
    placeholder = {"placeholder": option.default} if option.default else {}
    return forms.CharField(strip=False, widget=forms.TextInput(attrs={"spellcheck": "false", **placeholder}), **shared)
