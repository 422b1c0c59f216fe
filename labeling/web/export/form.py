"""The form that chooses the rows of an export. What it takes, and what it says is wrong, is as in API and command."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict

from labeling.models import Project
from labeling.outgoing.exports import FILTERS, Choice, ChoiceError, choose
from labeling.web.shared.forms import figure_input

DAY = re.compile(r"(\d{4}-\d\d-\d\d)?", re.ASCII)


class ExportForm(forms.Form):
    """Give it the address's query. `choice` holds the rows wanted once the form is valid."""

    use_required_attribute = False

    batch = forms.CharField(label="Batches", required=False)
    control = forms.ChoiceField(
        label="Control items",
        required=False,
        choices=[("", "With them"), ("only", "Only these"), ("without", "Without them")],
        help_text="A random sample of the pool, which no model learns from.",
    )
    agreement = forms.CharField(
        label="Least agreement",
        required=False,
        widget=figure_input(is_whole=False, placeholder="any"),
        help_text="The share of the annotations that agree with the label, from 0 to 1.",
    )
    since = forms.CharField(label="Labeled since", required=False, help_text="A day in UTC.")
    until = forms.CharField(label="Labeled until", required=False, help_text="That day included.")
    skipped = forms.BooleanField(
        label="With the items that everybody skipped",
        required=False,
        help_text="They have no label, agreement or time of labeling, but tell who skipped them and why.",
    )
    excluded = forms.BooleanField(label="With the items that were excluded or deleted", required=False)
    copies = forms.BooleanField(
        label="With near-copies",
        required=False,
        help_text="They have the label of another item, which the column “propagated_from” names.",
    )

    def __init__(self, project: Project, query: QueryDict, numbers: list[int]) -> None:
        """`numbers`: those of the project's batches, ascending."""
        super().__init__(query)
        self._project = project
        self._query = query
        self.choice = Choice()
        self.fields["batch"].help_text = _batches_hint(numbers)
        self.fields["batch"].widget.attrs |= {"placeholder": "all", "autocomplete": "off", "class": "figure"}
        for name in ("since", "until"):
            # A time, which an address may hold, is none for a control that picks days: it stays as it was written.
            kind = "date" if DAY.fullmatch(query.get(name, "")) else "text"
            self.fields[name].widget = forms.TextInput(attrs={"type": kind, "class": "figure"})

    def clean(self) -> dict[str, Any]:
        # A control that holds what it cannot take says so itself.
        choices = {name: self._query.get(name, "") for name in FILTERS if name not in self.errors}
        try:
            self.choice = choose(self._project, choices)
        except ChoiceError as error:
            for name, text in error.fields.items():
                self.add_error(name, text)
        return self.cleaned_data

    def query(self) -> str:
        """The filters that are set, as the query of an address; the same for API and page."""
        set_ones = {name: str(self._query.get(name, "")).strip() for name in FILTERS}
        return urlencode({name: text for name, text in set_ones.items() if text}, safe=":,")


def _batches_hint(numbers: list[int]) -> str:
    if not numbers:
        return "There is none yet."
    if len(numbers) == 1:
        return f"There is one, {numbers[0]}."
    there = f"There are {numbers[0]} to {numbers[-1]}."
    return f"{there} Write one (3), some (1,4), a range (2-5), or 6- for it and all later."
