"""The tree of classes, for pages on which annotators choose a class level by level."""

from __future__ import annotations

from collections.abc import Sequence

from labeling.models import LabelClass, Project

BETWEEN = " > "
"""Separates the names of a path: `animal > bird` is above `animal > bird > owl`."""
NONE = -1


def places_above(project: Project, offered: Sequence[LabelClass]) -> list[int]:
    """Return, for each class in `offered`, the index in `offered` of its parent, -1 without a parent. One query.

    The list is empty if no class has a parent. The parent that a manager chose takes precedence over the path in the
    name. A chosen parent that is not in `offered` is replaced by its nearest ancestor in `offered`.
    """
    place = {each.pk: at for at, each in enumerate(offered)}
    named = {each.name: at for at, each in enumerate(offered)}
    parents = dict(project.classes.filter(parent__isnull=False).values_list("pk", "parent"))
    above = []
    for each in offered:
        parent = parents.get(each.pk)
        while parent is not None and parent not in place:
            parent = parents.get(parent)
        above.append(_by_name(each.name, named) if parent is None else place[parent])
    return above if any(at != NONE for at in above) else []


def _by_name(name: str, named: dict[str, int]) -> int:
    """Return the place of the class whose name is the longest prefix of this path."""
    while BETWEEN in name:
        name = name.rpartition(BETWEEN)[0]
        if name in named:
            return named[name]
    return NONE
