"""Shared by the formats of annotation tools: what a row says of its label, and what a format declares."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop as _

OUTCOMES = {
    "accepted": _("%(n)s accepted"),
    "rejected": _("%(n)s rejected"),
    "ignored": _("%(n)s ignored"),
    "submitted": _("%(n)s submitted"),
    "draft": _("%(n)s drafts"),
    "discarded": _("%(n)s discarded"),
    "pending": _("%(n)s pending, without the status of a response"),
    "labeled": _("%(n)s with a label"),
    "suggested": _("%(n)s with only a suggestion"),
    "unanswered": _("%(n)s without an answer"),
}
"""What rows of tools say of their labels, in the order of the sentence that counts them."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """The format of a tool's rows."""

    name: str
    """In the API."""
    title: str
    meaning: str
    """What becomes of the rows, as a sentence."""
    knows: Callable[[Mapping[str, Any]], bool]
    """Whether this is a row of the tool. It is asked of each row of each file."""
    row: Callable[[Mapping[str, Any], str], tuple[dict[str, Any], str]]
    """A row of the tool and the question to read, as a row in the product's own form and one of `OUTCOMES`. Raises
    BadValue.
    """
    questions: Callable[[Mapping[str, Any]], Iterable[str]] | None = None
    """The names of the questions that a row answers; None if the tool asks only one. Raises BadValue."""
    names_content: bool = False
    """Whether the first field of a row is its content, whatever its name."""
