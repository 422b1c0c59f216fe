"""The form of the trainer's settings. An empty field keeps the trainer's default."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

from django import forms

from labeling.projects.model_settings import check_training
from labeling.web.shared.forms import figure_input
from labeling.web.shared.words import figure
from models_store.config import TrainConfig

# Pages call the items that are labeled together a batch.
LABELS = {"batch_size": "Labels per step"}
WORDS = {"sb-ece": "SB-ECE (soft-binned calibration error)", "s-avuc": "S-AvUC (accuracy versus uncertainty)"}
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
    meaning = setting.metadata["meaning"].replace("`", "")
    if setting.type is bool:
        default = "yes" if setting.default else "no"
        return forms.TypedChoiceField(
            label=label,
            help_text=meaning,
            required=False,
            choices=[("", f"Default ({default})"), ("true", "Yes"), ("false", "No")],
            coerce=lambda text: YES_OR_NO[text],
            empty_value=None,
        )
    if "choices" in setting.metadata:
        choices = [(name, WORDS.get(name, name)) for name in setting.metadata["choices"]]
        default = WORDS.get(str(setting.default), str(setting.default))
        return forms.TypedChoiceField(
            label=label,
            help_text=meaning,
            required=False,
            choices=[("", f"Default ({default})"), *choices],
            empty_value=None,
        )
    low, high = setting.metadata["low"], setting.metadata["high"]
    is_whole = setting.type is int
    default = "no limit" if setting.default is None else figure(float(setting.default))  # type: ignore[arg-type]
    kind = forms.IntegerField if is_whole else forms.FloatField
    bounds = f"{'whole number' if is_whole else 'number'} from {figure(low)} to {figure(high)}"
    text = f"Enter a {bounds}, or nothing for the default."
    return kind(
        label=label,
        help_text=f"{meaning} Default: {default}.",
        required=False,
        min_value=low,
        max_value=high,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), text),
        widget=figure_input(is_whole=is_whole, placeholder=default),
    )
