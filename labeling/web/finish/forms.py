"""The form of a project's goal, in per cent."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.db.models import Field
from django.http import QueryDict
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from labeling.finishing.goal import Goal
from labeling.models import Finish, Project
from labeling.web.shared.forms import figure_input
from labeling.web.shared.words import figure, typed

SCOPES = [("", gettext_lazy("the pool as a whole")), ("class", gettext_lazy("each class by itself"))]
SCOPES_OF_SEVERAL = [
    ("", gettext_lazy("all classes of an item together")),
    ("class", gettext_lazy("each class by itself")),
]


def _percent_field(name: str, label: Any, help_text: Any) -> forms.FloatField:
    """Make the field of a share of `Finish`, in per cent. `label` and `help_text` are translated when shown."""
    bounds: list[Any] = cast("Field[Any, Any]", Finish._meta.get_field(name)).validators
    low, high = (100 * bound.limit_value for bound in bounds)
    return forms.FloatField(
        label=format_lazy("{} (%)", label),
        help_text=help_text,
        min_value=low,
        max_value=high,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), say_bounds_lazily(low, high)),
        widget=figure_input(is_whole=False),
    )


def _say_bounds(low: float, high: float) -> str:
    return gettext("Enter a number from %(low)s to %(high)s.") % {"low": figure(low), "high": figure(high)}


say_bounds_lazily = lazy(_say_bounds, str)


class GoalForm(forms.Form):
    """The error and the confidence in per cent, and what they are stated for."""

    error = _percent_field(
        "error", gettext_lazy("Wrong labels, at most"), gettext_lazy("Fewer wrong labels take more answers of people.")
    )
    confidence = _percent_field(
        "confidence",
        gettext_lazy("Confidence"),
        gettext_lazy("With this probability, all statements about labels hold."),
    )
    by_class = forms.ChoiceField(
        label=gettext_lazy("Stated for"),
        choices=SCOPES,
        required=False,
        widget=forms.RadioSelect,
        help_text=gettext_lazy(
            "By class takes more answers. People label all items of a class with too few items for a proof."
        ),
    )
    within = forms.TypedChoiceField(
        label=gettext_lazy("A score counts as right"),
        choices=[
            (0, gettext_lazy("if it is the same point")),
            (1, gettext_lazy("if it is the same or the next point")),
        ],
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
            scope.help_text = gettext(
                "Together, an item counts as wrong if any of its classes is wrong or missing: with many "
                "classes, this is hard to reach. By itself, each class may be wrong or missing in as "
                "many items."
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
