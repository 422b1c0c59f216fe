"""What every filter declares: addresses, forms, commands and the reference of the API are made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labeling.models import Project

TEXT, YES_OR_NO, COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 1}


class FilterError(ValueError):
    """Filters that cannot be used: `fields` has a sentence for each, by name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A condition on items that people set, by a text in an address, a form, a command or a request."""

    name: str
    label: str
    """Above its field on the page."""
    meaning: str
    """For the reference of the API and for commands."""
    read: Callable[[Project, str], Any]
    """The value of a text. Raises `LookupError` with a sentence for people."""
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    """The JSON schema of its texts."""
    choices: tuple[tuple[str, str], ...] = ()
    """The values to choose from on the page, each with its words; none where a text is typed."""
    unset: str = "any"
    """The words on the page for no value."""
    attrs: Mapping[str, str] = field(default_factory=dict)
    """HTML attributes of its text field."""


def read_values(
    filters: Mapping[str, Filter], project: Project, query: Mapping[str, Any], *, longest: int | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of the filters that `query` has texts for, and a sentence for each that cannot be used; both by name.

    A missing or empty text sets no filter. `longest`: the most characters of a text.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, each in filters.items():
        text = str(query.get(name) or "").strip()
        try:
            if longest is not None and (len(text) > longest or "\x00" in text):
                raise LookupError(f"Enter at most {longest} characters, and no NUL among them.")
            if text:
                values[name] = each.read(project, text)
        except LookupError as error:
            errors[name] = str(error.args[0])
    return values, errors
