"""The settings page's form, made of the declared settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from labeling.models import Project
from labeling.projects.model_settings import check_model
from labeling.projects.settings import ON_PAGE, SECTIONS, TEXTS, Section, field_of
from labeling.web.shared.forms import say_bounds
from labeling.web.shared.words import figure


class SettingsForm(forms.ModelForm):
    """The texts for annotators, and the settings on the settings page."""

    class Meta:
        model = Project
        fields = (*TEXTS, *ON_PAGE)
        labels = {name: setting.label for name, setting in ON_PAGE.items()}
        help_texts = {
            "prompt": "What annotators read above each item. Empty: a default that fits the question.",
            "guidelines": "How to decide in doubtful cases. Annotators open them with a key.",
            **{name: setting.help for name, setting in ON_PAGE.items()},
        }
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 5}),
            "currency": forms.TextInput(attrs={"class": "figure"}),
            **{name: forms.RadioSelect for name in ON_PAGE if field_of(name).choices},
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].error_messages["required"] = "Give the project a name."
        # The form shows 5 for 5.0.
        for name, value in self.initial.items():
            if isinstance(value, float) and value.is_integer():
                self.initial[name] = int(value)
            elif isinstance(value, float) and 1e-6 <= value < 1e-3:
                self.initial[name] = figure(value)  # and 0.000001 for 1e-06
        for name, setting in ON_PAGE.items():
            if not setting.offered(self.instance):
                del self.fields[name]
        say_bounds(self, Project._meta.get_field)

    @property
    def sections(self) -> list[tuple[Section, list[forms.BoundField]]]:
        """Return the sections of the page, each with the fields of this project."""
        sections = [(each, [self[one.name] for one in each.settings if one.name in self.fields]) for each in SECTIONS]
        return [(section, fields) for section, fields in sections if fields]

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
