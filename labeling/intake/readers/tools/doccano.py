"""Rows of doccano's exports as JSON: a list of labels, and a list of the annotators' comments."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_noop as _

from .base import Tool

_LEFT_OUT = frozenset({"Comments", "label", "annotation_approver", "comments", "labels"})


def _knows(row: Mapping[str, Any]) -> bool:
    if "annotation_approver" in row:  # until version 1.2
        return isinstance(row.get("labels"), list)
    return isinstance(row.get("Comments"), list) and isinstance(row.get("label"), list)


def _own_row(row: Mapping[str, Any], question: str) -> tuple[dict[str, Any], str]:
    """Return the row with its labels. doccano writes an empty list for an item that nobody has labeled."""
    label = row["labels"] if "annotation_approver" in row else row["label"]
    shown = {name: value for name, value in row.items() if name not in _LEFT_OUT}
    return {**shown, "label": label or None}, "labeled" if label else "unanswered"


DOCCANO = Tool(
    name="doccano",
    title="doccano",
    meaning=_("Comments are ignored. An item with an empty list of labels has no label."),
    knows=_knows,
    row=_own_row,
)
