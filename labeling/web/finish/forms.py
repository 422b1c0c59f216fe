"""The form of a project's goal, in per cent."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.db.models import Field
from django.http import QueryDict

from labeling.finishing.forecasts import Goal
from labeling.models import Finish, Project
from labeling.web.shared.forms import figure_input
from labeling.web.shared.words import figure, typed

SCOPES = [("", "the pool as a whole"), ("class", "each class by itself")]
SCOPES_OF_SEVERAL = [("", "all classes of an item together"), ("class", "each class by itself")]


def _percent_field(name: str, label: str, help_text: str) -> forms.FloatField:
    bounds: list[Any] = cast("Field[Any, Any]", Finish._meta.get_field(name)).validators
    low, high = (100 * bound.limit_value for bound in bounds)
    return forms.FloatField(
        label=f"{label} (%)",
        help_text=help_text,
        min_value=low,
        max_value=high,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), f"Enter a number from {figure(low)} to {figure(high)}."
        ),
        widget=figure_input(is_whole=False),
    )


class GoalForm(forms.Form):
    """The error and the confidence in per cent, and what they are stated for."""

    error = _percent_field("error", "Wrong labels, at most", "Fewer wrong labels take more answers of people.")
    confidence = _percent_field("confidence", "Confidence", "With this probability, all statements about labels hold.")
    by_class = forms.ChoiceField(
        label="Stated for",
        choices=SCOPES,
        required=False,
        widget=forms.RadioSelect,
        help_text="By class takes more answers. People label all items of a class with too few items for a proof.",
    )
    within = forms.TypedChoiceField(
        label="A score counts as right",
        choices=[(0, "if it is the same point"), (1, "if it is the same or the next point")],
        coerce=int,
        required=False,
        widget=forms.RadioSelect,
    )

    def __init__(self, project: Project, goal: Goal, data: QueryDict | None = None) -> None:
        """Make the form of `goal`, with the values of `data` in its place where there are any."""
        shown = {
            "error": typed(100 * goal.error),
            "confidence": typed(100 * goal.confidence),
            "by_class": "class" if goal.by_class else "",
            "within": goal.within,
        }
        super().__init__(shown | (data.dict() if data else {}))
        if project.asks.per_class:
            scope = cast("forms.ChoiceField", self.fields["by_class"])
            scope.choices = SCOPES_OF_SEVERAL
            scope.help_text = (
                "Together, an item counts as wrong if any of its classes is wrong or missing: with many classes, this "
                "is hard to reach. By itself, each class may be wrong or missing in as many items."
            )
        if not project.asks.ordered:
            del self.fields["within"]

    @property
    def goal(self) -> Goal:
        """The goal of a valid form."""
        values = self.cleaned_data
        return Goal(
            error=round(values["error"] / 100, 6),
            confidence=round(values["confidence"] / 100, 6),
            by_class=bool(values["by_class"]),
            within=values.get("within") or 0,
        )
