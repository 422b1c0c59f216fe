"""The pages of the settings that a project has, and their forms: of the project, and of its trainer."""

import copy
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, cast

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_noop as _

from labeling.models import Project
from labeling.projects.model_settings import check_model, check_training
from labeling.projects.settings import ON_PAGE, SECTIONS, Section, differs, field_of
from labeling.web.shared.forms import ErrorsInForm, apply_bounds, figure_input, translated, translated_choices
from labeling.web.shared.words import figure, typed
from models_store.config import TrainConfig

OF_USUAL = ("name", "prompt")
"""Fields of the first page beside its settings."""


def form_of(section: Section, project: Project, data: Any = None) -> "SettingsForm | TrainingForm":
    """Return the form of a page."""
    if section.trainer:
        return TrainingForm(data, project=project, names=section.trainer)
    names = [setting.name for setting in section.settings]
    return SettingsForm(data, project=project, names=[*OF_USUAL, *names] if section == SECTIONS[0] else names)


class SettingsForm(forms.ModelForm):
    """Settings that are declared for the pages, the project's name and the question's text."""

    class Meta:
        model = Project
        fields = (*OF_USUAL, *ON_PAGE)
        labels = {name: setting.label for name, setting in ON_PAGE.items()}
        help_texts = {
            "prompt": _("What annotators read above each item. If empty, a default that fits the question."),
            **{name: setting.help for name, setting in ON_PAGE.items()},
        }
        widgets = {
            "currency": forms.TextInput(attrs={"class": "figure"}),
            **{name: forms.RadioSelect for name in ON_PAGE if field_of(name).choices},
        }

    def __init__(self, data: Any = None, *, project: Project, names: Sequence[str] = Meta.fields) -> None:
        """Make a form of the fields in `names` that the project has."""
        # A copy, for the form changes its instance even when it turns out to be wrong.
        super().__init__(data, instance=copy.copy(project))
        for name in self.Meta.fields:
            if name not in names or (name in ON_PAGE and not ON_PAGE[name].offered(self.instance)):
                del self.fields[name]
        for name, field in self.fields.items():
            field.label, field.help_text = translated(str(field.label)), translated(str(field.help_text))
            if isinstance(field, forms.ChoiceField):
                field.choices = translated_choices(cast("Any", field.choices))
            if name == "name":
                field.error_messages["required"] = gettext("Enter a name for the project.")
        # The form shows 5 for 5.0.
        for name, value in self.initial.items():
            if isinstance(value, float) and value.is_integer():
                self.initial[name] = int(value)
            elif isinstance(value, float) and 1e-6 <= value < 1e-3:
                self.initial[name] = typed(value)  # and 0.000001 for 1e-06
        apply_bounds(self, Project._meta.get_field)

    @property
    def updates(self) -> list[str]:
        """The fields of the project that the form changes."""
        return self.changed_data

    @property
    def telling(self) -> list[str]:
        """Return the names of the fields with consequences."""
        return [name for name in self.fields if name in ON_PAGE and ON_PAGE[name].has_consequence]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if "privacy_epsilon" in self.fields:
            project = self.instance
            with ErrorsInForm(self, ValidationError, field="privacy_epsilon"):
                check_model(project.model, question=project.question, private=values.get("privacy_epsilon") is not None)
        return values

    def _update_errors(self, errors: ValidationError) -> None:
        """Show an error of a field on another page as one of the whole form, with the field's name."""
        if hasattr(errors, "error_dict"):
            for name in [name for name in errors.error_dict if name not in (*self.fields, NON_FIELD_ERRORS)]:
                messages = ValidationError(errors.error_dict.pop(name)).messages
                texts = [f"{gettext(ON_PAGE[name].label)}: {message}" for message in messages]
                errors.error_dict.setdefault(NON_FIELD_ERRORS, []).extend(ValidationError(texts).error_list)
        super()._update_errors(errors)  # type: ignore[misc]  # not in the stubs


# Pages call the items that are labeled together a batch.
LABELS = {"batch_size": _("Labels per step")}
WORDS = {
    "sb-ece": _("SB-ECE (soft-binned calibration error)"),
    "s-avuc": _("S-AvUC (accuracy versus uncertainty)"),
    "labels": _("labels alone"),
}
YES_OR_NO = {"": None, "true": True, "false": False}


class TrainingForm(forms.Form):
    """The trainer's settings of a page, each with its bounds and its meaning."""

    prefix = "training"

    def __init__(self, data: Any = None, *, project: Project, names: Sequence[str]) -> None:
        super().__init__(data)
        self.instance = copy.copy(project)
        self.initial = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in project.training.items()
        }
        settings = {setting.name: setting for setting in fields(TrainConfig)}
        for name in names:
            self.fields[name] = _control(settings[name])

    @property
    def updates(self) -> list[str]:
        """The fields of the project that the form changes."""
        return ["training"]

    def clean(self) -> None:
        """Set the filled fields beside the settings of other pages, and check all by the trainer's own rules."""
        others = {name: value for name, value in self.instance.training.items() if name not in self.fields}
        filled = {name: value for name, value in self.cleaned_data.items() if value is not None}
        self.instance.training = others | filled
        if not self.errors:
            check_training(self.instance.training)


def label_of(name: str) -> str:
    """Return the label of a setting of the trainer."""
    return gettext(LABELS.get(name) or name.replace("_", " ").capitalize())


def _control(setting: Field[Any]) -> forms.Field:
    meaning = gettext(setting.metadata["meaning"].replace("`", ""))
    shared: dict[str, Any] = {"label": label_of(setting.name), "help_text": meaning, "required": False}
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


OTHERS = (("project-learner", gettext_noop("Model")), ("project-encoder", gettext_noop("Encoder")))
"""The pages of settings with a form of their own: the name of the address, and the title."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of settings as the index links to it. `changed`: how many of its settings are not the defaults."""

    title: str
    url: str
    changed: int = 0
    for_experts: bool = False


def sections_of(project: Project) -> list[Section]:
    """Return the pages of which the project has a field."""
    return [each for each in SECTIONS if each.trainer or any(setting.offered(project) for setting in each.settings)]


def url_of(project: Project, section: Section) -> str:
    """Return the address of a page of settings."""
    if section == SECTIONS[0]:
        return reverse("project-settings", args=[project.slug])
    return reverse("project-settings-page", args=[project.slug, section.name])


def changed_in(project: Project, section: Section) -> list[str]:
    """Return the names of the fields whose saved value is not the default."""
    settings = [each.name for each in section.settings if each.offered(project) and differs(project, each.name)]
    return settings + [name for name in section.trainer if name in project.training]


def index_of(project: Project) -> list[Page]:
    """Return all pages of settings, those for experts last."""
    pages = [
        Page(each.title, url_of(project, each), len(changed_in(project, each)), bool(each.trainer))
        for each in sections_of(project)
    ]
    others = [Page(title, reverse(name, args=[project.slug])) for name, title in OTHERS]
    return sorted([*pages, *others], key=lambda page: page.for_experts)
