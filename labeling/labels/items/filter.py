"""The declaration of a filter. Addresses, forms, commands and the API's reference are made from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext

from labeling.models import Project

TEXT, YES_OR_NO, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 1}


class FilterError(ValueError):
    """Filters with unusable texts. `fields` maps the names of these filters to sentences."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition that a person sets by a text in an address, a form, a command or a request."""

    name: str
    label: str
    """The label of its field on the page."""
    meaning: str
    """Its description in the API's reference and in the help of commands."""
    read: Callable[[Project, str], Any]
    """Converts a text to the filter's value. Raises `LookupError` with a sentence for the user."""
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    """The JSON schema of its texts."""
    choices: tuple[tuple[str, str], ...] = ()
    """The options on the page, (value, words); empty for a filter with a text field."""
    unset: str = "any"
    """The option on the page that sets no value."""
    attrs: Mapping[str, str] = field(default_factory=dict)
    """HTML attributes of its text field."""


def read_values(
    filters: Mapping[str, Filter], project: Project, query: Mapping[str, Any], *, longest: int | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the filters' texts in `query`. Returns the values and the errors, both by the name of the filter.

    A missing or empty text sets no filter. A text of more than `longest` characters is an error.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, each in filters.items():
        text = str(query.get(name) or "").strip()
        try:
            if longest is not None and (len(text) > longest or "\x00" in text):
                raise LookupError(gettext("Enter at most %(longest)s characters, without NUL.") % {"longest": longest})
            if text:
                values[name] = each.read(project, text)
        except LookupError as error:
            errors[name] = str(error.args[0])
    return values, errors
