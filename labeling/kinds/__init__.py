"""The registry of the kinds of item. To add a kind, write it in this folder and list an instance in `KINDS`."""

from typing import Protocol

from labeling.kinds.audio import Audio
from labeling.kinds.base import ItemContent, KeptAtSource, Kind, OpenedFile, Surroundings
from labeling.kinds.files import FileKind
from labeling.kinds.image import Image
from labeling.kinds.text import Text
from labeling.kinds.vector import Vector
from labeling.kinds.wording import BadFile, BadValue

__all__ = [
    "KINDS",
    "BadFile",
    "BadValue",
    "FileKind",
    "ItemContent",
    "KeptAtSource",
    "Kind",
    "OpenedFile",
    "Surroundings",
    "choices",
    "get",
    "of",
]

KINDS: dict[str, Kind] = {kind.name: kind for kind in (Image(), Text(), Vector(), Audio())}
"""The kinds by name, in the order of the form for a new project."""


class Kinded(Protocol):
    """An object with a kind, such as a project."""

    kind: str


def of(project: Kinded) -> Kind:
    """Return the kind of a project's items."""
    return KINDS[project.kind]


def get(name: str) -> Kind:
    """Return the kind of this name. Raises KeyError."""
    return KINDS[name]


def choices() -> list[tuple[str, str]]:
    """Return the choices of a model field: (name, label). A function, so that a new kind needs no migration."""
    return [(name, name.capitalize()) for name in KINDS]
