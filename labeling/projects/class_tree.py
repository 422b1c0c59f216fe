"""Which class is above which, for those who choose one by going down a tree."""

from __future__ import annotations

from collections.abc import Sequence

from labeling.models import LabelClass, Project

BETWEEN = " > "
"""Stands between the names of a path: `animal > bird` is above `animal > bird > owl`."""
NONE = -1


def places_above(project: Project, offered: Sequence[LabelClass]) -> list[int]:
    """For each of these classes the place among them of the class above it, -1 for none; empty if none has one.

    What a manager said it is a kind of goes before what its name says. Above a class that is not among them comes the
    next one above. One query.
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
    """The place of the class with the longest path that this name goes on from."""
    while BETWEEN in name:
        name = name.rpartition(BETWEEN)[0]
        if name in named:
            return named[name]
    return NONE
