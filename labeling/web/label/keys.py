"""Which key stands for which class. The annotator's screen does it alike, in static/js/label/pickers.js."""

from __future__ import annotations

from collections.abc import Sequence

from labeling.models import Project

POSITIONS = "1234567890"


def keys_for(project: Project, names: Sequence[str]) -> dict[str, str]:
    """The key of each value that can be chosen: digits for up to ten classes, y and n for `verify`.

    Classes that are all called by one digit bear their own; others their place's.
    """
    if project.question == Project.Question.VERIFY:
        return {"true": "y", "false": "n"}
    if len(names) > len(POSITIONS):
        return {}
    if all(len(name) == 1 and name in POSITIONS for name in names):
        return {name: name for name in names}
    return dict(zip(names, POSITIONS, strict=False))
