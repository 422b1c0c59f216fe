"""The elements of a chart. `kind` is a class of the style sheet, which sets colours and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    x: float
    y: float
    text: str
    anchor: str = "start"
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    kind: str = "grid"


@dataclass(frozen=True, slots=True)
class Box:
    """A bar. `title` is its tooltip."""

    x: float
    y: float
    width: float
    height: float
    kind: str = "bar"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A measured value with the ends of its interval."""

    x: float
    y: float
    x1: float
    y1: float
    x2: float
    y2: float
    title: str = ""
    kind: str = "mark"


@dataclass(frozen=True, slots=True)
class Dots:
    """Points of the same look, as one path of lines without length; the style sheet sets their size by `kind`."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Group:
    """Dots with a common title and, with `url`, a link.

    Keyboards and screen readers reach the link if `stop` is true; otherwise the figure's table must have it.
    """

    title: str
    dots: list[Dots]
    kind: str = ""
    url: str = ""
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing in units of its own, which the page scales as a whole; small enough to be readable on a phone."""

    width: int
    height: int
    lines: list[Line] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    kind: str = ""
    band: str = ""
    path: str = ""
    other_band: str = ""
    other_path: str = ""

    @property
    def opens(self) -> bool:
        """Return whether the drawing has a link; then its role cannot be that of a single image."""
        return any(group.url for group in self.groups)


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    number: bool = True


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its finding as the title, a note on how to read it, and the table of its values.

    The first cell of a row is its header, and may be a link. `legend` holds (kind, meaning) for kinds without a label
    in the drawing; `dotted`: these kinds are dots.
    """

    name: str
    finding: str
    note: str
    drawing: Drawing
    columns: list[Column]
    rows: Sequence[Sequence[str | Link]]
    legend: list[tuple[str, str]] = field(default_factory=list)
    dotted: bool = False

    @property
    def open(self) -> bool:
        """Return whether the table is short enough to be unfolded from the start."""
        return len(self.rows) <= 6


def short(name: str, most: int) -> str:
    """Return the name, cut to at most `most` characters."""
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"
