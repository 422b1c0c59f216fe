"""The row formats of annotation tools. A row of one is read as a row in the product's own form, in every kind of file
and by every way of importing. Guesses and previews read the same rows.

To add a tool, add a module here with its `Tool`, and the tool to `TOOLS`.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from labeling.kinds import BadValue

from .argilla import ARGILLA
from .base import OUTCOMES, Tool
from .doccano import DOCCANO
from .label_studio import LABEL_STUDIO
from .prodigy import PRODIGY

__all__ = ["LABEL_STUDIO", "OUTCOMES", "TOOLS", "Tool", "is_known", "questions_of", "tool_of"]

TOOLS = {each.name: each for each in (LABEL_STUDIO, PRODIGY, ARGILLA, DOCCANO)}
_QUESTION = "label"


def tool_of(row: Mapping[str, Any]) -> Tool | None:
    """Return the tool that has written the row; None for a row of no known tool."""
    return next((each for each in TOOLS.values() if each.knows(row)), None)


def is_known(columns: Iterable[str]) -> bool:
    """Return whether the rows of a table with these columns are those of a tool, which names its own columns."""
    return ARGILLA.knows(dict.fromkeys(columns))


def questions_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the questions that the rows answer, first the one that is read unless a layout names another."""
    names: dict[str, None] = {}
    for row in rows:
        tool = tool_of(row)
        if tool is None or tool.questions is None:
            break
        with suppress(BadValue):
            names |= dict.fromkeys(tool.questions(row))
    return tuple(sorted(names, key=lambda name: name != _QUESTION))
