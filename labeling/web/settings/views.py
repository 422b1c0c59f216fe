"""The pages of settings, with their forms and consequences, and of the project's model."""

import copy
from dataclasses import Field, dataclass, fields
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight import clusterings
from labeling.models import Ability, Membership, Project
from labeling.projects.model_settings import check_model, check_training
from labeling.projects.settings import ON_PAGE, SECTIONS, Section, differs, field_of, recording_changes
from labeling.web.models.fit import fit_of, thresholds
from labeling.web.settings import consequences
from labeling.web.settings.choice_form import ModelForm
from labeling.web.settings.standing import standing_of
from labeling.web.shared.forms import apply_bounds, figure_input, translated, translated_choices
from labeling.web.shared.pages import errors_as_messages, for_members, render_page
from labeling.web.shared.words import figure, typed
from models_store.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page with its fields."""

    section: Section
    fields: list[forms.BoundField]
    changed: list[str]
    """The names of the fields whose saved value is not the default."""

    @property
    def open(self) -> bool:
        """Whether the section has to be seen at once."""
        return self.section == SECTIONS[0] or any(field.errors for field in self.fields)


class SettingsForm(forms.ModelForm):
    """The name, the question's text, and the settings that are declared for the page."""

    class Meta:
        model = Project
        fields = ("name", "prompt", *ON_PAGE)
        labels = {name: setting.label for name, setting in ON_PAGE.items()}
        help_texts = {
            "prompt": _("What annotators read above each item. Empty: a default that fits the question."),
            **{name: setting.help for name, setting in ON_PAGE.items()},
        }
        widgets = {
            "currency": forms.TextInput(attrs={"class": "figure"}),
            **{name: forms.RadioSelect for name in ON_PAGE if field_of(name).choices},
        }

    def __init__(self, data: Any = None, *, project: Project) -> None:
        # A copy, for the form changes its instance even when it turns out to be wrong.
        super().__init__(data, instance=copy.copy(project))
        self._saved = project
        self.fields["name"].error_messages["required"] = gettext("Give the project a name.")
        for field in self.fields.values():
            field.label, field.help_text = translated(str(field.label)), translated(str(field.help_text))
            if isinstance(field, forms.ChoiceField):
                field.choices = translated_choices(cast("Any", field.choices))
        # The form shows 5 for 5.0.
        for name, value in self.initial.items():
            if isinstance(value, float) and value.is_integer():
                self.initial[name] = int(value)
            elif isinstance(value, float) and 1e-6 <= value < 1e-3:
                self.initial[name] = typed(value)  # and 0.000001 for 1e-06
        for name, setting in ON_PAGE.items():
            if not setting.offered(self.instance):
                del self.fields[name]
        apply_bounds(self, Project._meta.get_field)

    @property
    def parts(self) -> list[Part]:
        """Return the sections of the page, each with the fields of this project."""
        parts = []
        for section in SECTIONS:
            names = [each.name for each in section.settings if each.name in self.fields]
            changed = [name for name in names if differs(self._saved, name)]
            parts.append(Part(section, [self[name] for name in names], changed))
        return [part for part in parts if part.fields]

    @property
    def telling(self) -> list[str]:
        """Return the names of the fields with consequences."""
        return [name for name in self.fields if name in ON_PAGE and ON_PAGE[name].has_consequence]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        try:
            project = self.instance
            check_model(project.model, question=project.question, private=values.get("privacy_epsilon") is not None)
        except ValidationError as error:
            self.add_error("privacy_epsilon", error.messages[0])
        return values


# Pages call the items that are labeled together a batch.
LABELS = {"batch_size": _("Labels per step")}
WORDS = {"sb-ece": _("SB-ECE (soft-binned calibration error)"), "s-avuc": _("S-AvUC (accuracy versus uncertainty)")}
YES_OR_NO = {"": None, "true": True, "false": False}


class TrainingForm(forms.Form):
    """A field for each setting of the trainer, with its bounds and its meaning."""

    prefix = "training"

    def __init__(self, *args: Any, training: dict[str, Any], **kwargs: Any) -> None:
        """Make the form of the trainer's settings. `training`: the project's present settings of the trainer."""
        super().__init__(*args, **kwargs)
        self.initial = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in training.items()
        }
        for setting in fields(TrainConfig):
            self.fields[setting.name] = _control(setting)

    def clean(self) -> None:
        """Keep the filled fields alone, and check them by the trainer's own rules."""
        self.cleaned_data = {name: value for name, value in self.cleaned_data.items() if value is not None}
        if not self.errors:
            check_training(self.cleaned_data)


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


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def settings(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the settings, or save them for the next batch."""
    project = membership.project
    data = request.POST if request.method == "POST" else None
    form = SettingsForm(data, project=project)
    training = TrainingForm(data, training=project.training)
    # Both are checked, so that the page shows all errors at once.
    if data is not None and all([form.is_valid(), training.is_valid()]):
        _save(form, training)
        messages.success(
            request, gettext("Saved. Applies from the next batch on; the lease and the texts apply at once.")
        )
        return redirect("project-settings", project.slug)
    now = timezone.now()
    typed = form.instance if data is not None and not _wrong(form) else project
    context = {
        "form": form,
        "training": training,
        "unknown": data is not None and typed is project,
        "consequences": consequences.consequences_of(standing_of(project, now), project, typed),
        "fit": fit_of(clusterings.clustering_of(project)),
        "thresholds": thresholds(),
    }
    return render_page(request, membership, "project/settings.html", context, section="project-settings")


def _save(form: SettingsForm, training: TrainingForm) -> None:
    """Update only the changed fields, because the worker writes counts to the same row."""
    project = form.instance
    project.training = training.cleaned_data
    changed = [*form.changed_data, "training"]
    with recording_changes(project, changed):
        project.save(update_fields=changed)


@for_members(reading=Ability.SETTINGS_READ)
def settings_consequence(request: HttpRequest, membership: Membership) -> JsonResponse:
    """Return the consequences of the settings in the query and of the saved ones; for invalid settings, the errors.

    The query replaces the saved settings that it names.
    """
    project = membership.project
    saved = SettingsForm(project=project).initial
    form = SettingsForm({**saved, **request.GET.dict()}, project=project)
    form.full_clean()
    if wrong := _wrong(form):
        return JsonResponse({"errors": wrong})
    changed = consequences.consequences_of(standing_of(project, timezone.now()), project, form.instance)
    rows = [*changed.batch, *changed.picked, *changed.over_all]
    return JsonResponse(
        {
            "rows": {row.key: {"was": row.was, "now": row.now, "detail": row.detail} for row in rows},
            "changes": consequences.changes(rows),
            "warnings": changed.warnings,
        }
    )


@for_members(changing=Ability.MODELS_CHANGE)
def cluster_anew(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Request a rebuild of the clustering before the next batch; with `keep`, withdraw the request."""
    project = membership.project
    if "keep" in request.POST:
        clusterings.withdraw_rebuild(project=project)
        messages.success(request, gettext("The clustering stays as it is."))
    else:
        with errors_as_messages(request, clusterings.ClusteringError):
            clusterings.ask_rebuild(project=project)
            messages.success(request, gettext("The pool will be clustered again before the next batch."))
    return redirect("project-settings" if request.POST.get("back") == "settings" else "project", project.slug)


def _wrong(form: SettingsForm) -> list[str]:
    """Return the errors of the fields with consequences, each with the field's name."""
    return [f"{form.fields[name].label}: {form.errors[name][0]}" for name in form.telling if name in form.errors]


@for_members(reading=Ability.SETTINGS_READ, changing=Ability.SETTINGS_CHANGE)
def model(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Show the form that chooses the model, or save the choice. The worker restarts a running training with it."""
    project = membership.project
    form = ModelForm(request.POST if request.method == "POST" else None, project=project)
    if form.is_valid():
        project.model = form.choice()
        with recording_changes(project, ["model"]):
            project.save(update_fields=["model"])
        messages.success(
            request, gettext("The next version is trained by %(model)s.") % {"model": project.model["name"]}
        )
        return redirect("project-learner", project.slug)
    return render_page(request, membership, "project/learner.html", {"form": form}, section="project-settings")
