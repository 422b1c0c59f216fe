"""The form with the filters of an export. Its parameters and errors equal those of the API and the command."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext

from labeling.labels.items.filter import FilterError
from labeling.models import Project
from labeling.outgoing.exports import FILTERS, Choice, choose
from labeling.outgoing.exports.choice import ExportFilter
from labeling.web.shared.forms import filter_field, translated, translated_choices

IN_VIEW = ("certified", "columns", "delimiter")
"""The filters beside the downloads; the others are in a fold."""
ELSEWHERE = ("dataset",)
"""The page of a dataset version has the downloads of its rows."""
DAY = re.compile(r"(\d{4}-\d\d-\d\d)?", re.ASCII)


class ExportForm(forms.Form):
    """The filters of an export, from the query of the address. `choice` holds the chosen rows once the form is
    valid.
    """

    use_required_attribute = False

    def __init__(self, project: Project, query: QueryDict, numbers: list[int]) -> None:
        """Make the form of an export. `numbers`: the numbers of the project's batches, ascending.

        Before a person has chosen anything, certified labels are included if the project has some. One query.
        """
        self.certifies = project.certificates.standing().exists()
        if self.certifies and not query:
            query = QueryDict("certified=true")
        super().__init__(query)
        self._project = project
        self._query = query
        self.choice = Choice()
        self.fields |= {name: _field(each, query.get(name, "")) for name, each in FILTERS.items()}
        # Unset, the page's CSV is short, and has commas.
        self.fields |= {name: filter_field(FILTERS[name]) for name in ("columns", "delimiter")}
        self.fields["batch"].help_text = _batches_hint(numbers)

    def rows(self) -> list[forms.BoundField]:
        """Return the fields that choose rows. Near-copies need a project that has some."""
        hidden = {*IN_VIEW, *ELSEWHERE, "name", "note", *(() if self._project.near_copies else ("copies",))}
        return [field for field in self if field.name not in hidden]

    def file(self) -> list[forms.BoundField]:
        """Return the fields that are always in view. Certified labels need a project that has some."""
        return [self[name] for name in IN_VIEW if self.certifies or name != "certified"]

    def chooses_rows(self) -> bool:
        """Return whether a field that chooses rows is set or wrong."""
        return any(field.errors or self._query.get(field.name) for field in self.rows())

    def clean(self) -> dict[str, Any]:
        # A field with its own error is left out, because the page shows that error.
        choices = {name: self._query.get(name, "") for name in FILTERS if name not in self.errors}
        try:
            self.choice = choose(self._project, choices)
        except FilterError as error:
            for name, text in error.fields.items():
                self.add_error(name, text)
        return self.cleaned_data

    def text_of(self, name: str) -> str:
        """Return the text of a filter, as it was sent."""
        return str(self._query.get(name, "")).strip()

    def query(self) -> str:
        """Return the set filters as a query string, for the page and the API."""
        set_ones = {name: self.text_of(name) for name in FILTERS}
        return urlencode({name: text for name, text in set_ones.items() if text}, safe=":,")


def _field(each: ExportFilter, text: str) -> forms.Field:
    """Make the field of a filter. A text that a date input would drop gets a text input."""
    texts: dict[str, Any] = {"label": translated(each.label), "required": False, "help_text": translated(each.hint)}
    if each.schema["type"] == "boolean":
        return forms.BooleanField(**texts)
    if each.choices:
        return forms.ChoiceField(**texts, choices=translated_choices([("", each.unset), *each.choices]))
    field = filter_field(each)
    field.help_text = texts["help_text"]
    if field.widget.input_type == "date" and not DAY.fullmatch(text):
        field.widget.input_type = "text"
    return field


def _batches_hint(numbers: list[int]) -> str:
    if not numbers:
        return gettext("No batch yet.")
    if len(numbers) == 1:
        return gettext("The only batch is %(n)s.") % {"n": numbers[0]}
    return gettext("Batches %(first)s to %(last)s. For example 3, or 1,4, or 2-5, or 6- for all from 6 on.") % {
        "first": numbers[0],
        "last": numbers[-1],
    }
