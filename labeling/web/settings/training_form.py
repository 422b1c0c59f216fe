"""The form of the trainer's settings. An empty field keeps the trainer's default."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.projects.model_settings import check_training
from labeling.web.shared.forms import figure_input
from labeling.web.shared.words import figure
from models_store.config import TrainConfig

# Pages call the items that are labeled together a batch.
LABELS = {"batch_size": _("Labels per step")}
WORDS = {
    "sb-ece": _("SB-ECE (soft-binned calibration error)"),
    "s-avuc": _("S-AvUC (accuracy versus uncertainty)"),
}
YES_OR_NO = {"": None, "true": True, "false": False}


class TrainingForm(forms.Form):
    """A field for each setting of the trainer, with its bounds and its meaning."""

    prefix = "training"

    def __init__(self, *args: Any, training: dict[str, Any], **kwargs: Any) -> None:
        """Make the form of the trainer's settings. `training`: the project's present settings of the trainer."""
        super().__init__(*args, **kwargs)
        self.initial = {name: _typed(value) for name, value in training.items()}
        for setting in fields(TrainConfig):
            self.fields[setting.name] = _control(setting)

    def clean(self) -> None:
        """Keep the filled fields alone, and check them by the trainer's own rules."""
        self.cleaned_data = {name: value for name, value in self.cleaned_data.items() if value is not None}
        if not self.errors:
            check_training(self.cleaned_data)


def _typed(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _control(setting: Field[Any]) -> forms.Field:
    label = LABELS.get(setting.name) or setting.name.replace("_", " ").capitalize()
    meaning = gettext(setting.metadata["meaning"].replace("`", ""))
    shared: dict[str, Any] = {"label": gettext(label), "help_text": meaning, "required": False}
    if setting.type is bool:
        default = gettext("yes") if setting.default else gettext("no")
        return forms.TypedChoiceField(
            **shared,
            choices=[("", _default(default)), ("true", gettext("Yes")), ("false", gettext("No"))],
            coerce=lambda text: YES_OR_NO[text],
            empty_value=None,
        )
    if "choices" in setting.metadata:
        choices = [(name, _named(name)) for name in setting.metadata["choices"]]
        return forms.TypedChoiceField(
            **shared, choices=[("", _default(_named(str(setting.default)))), *choices], empty_value=None
        )
    low, high = setting.metadata["low"], setting.metadata["high"]
    is_whole = setting.type is int
    default = gettext("no limit") if setting.default is None else figure(float(setting.default))  # type: ignore[arg-type]
    kind = forms.IntegerField if is_whole else forms.FloatField
    text = (
        gettext("Enter a whole number from %(low)s to %(high)s, or nothing for the default.")
        if is_whole
        else gettext("Enter a number from %(low)s to %(high)s, or nothing for the default.")
    ) % {"low": figure(low), "high": figure(high)}
    shared["help_text"] = gettext("%(meaning)s Default: %(default)s.") % {"meaning": meaning, "default": default}
    return kind(
        **shared,
        min_value=low,
        max_value=high,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), text),
        widget=figure_input(is_whole=is_whole, placeholder=default),
    )


def _named(choice: str) -> str:
    return gettext(WORDS.get(choice, choice))


def _default(value: str) -> str:
    return gettext("Default (%(default)s)") % {"default": value}
