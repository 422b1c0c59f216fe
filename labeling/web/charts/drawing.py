"""What a chart is made of. `kind` is a class of the style sheet: colours and faces are its business."""

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
    """A bar; `title` is told on hover."""

    x: float
    y: float
    width: float
    height: float
    kind: str = "bar"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A measured value with the two ends of its interval."""

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
    """Points that look alike, as one path of lines without length: `kind` gives them their size and shape."""

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
    """Dots that belong together, with a title for all of them. `url`: what a click opens; by keyboard and for screen
    readers too if it is `stop`, or else the figure's table has to lead there.
    """

    title: str
    dots: list[Dots]
    kind: str = ""
    url: str = ""
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """In its own units: the picture scales as a whole. Small enough that its letters can be read on a phone."""

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
        """Whether something in it can be opened: then it is no single picture."""
        return any(group.url for group in self.groups)


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    number: bool = True


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its finding for a title, what one has to know to read it, and its table.

    The first cell of a row names it, and may be a link. `legend` holds (kind, meaning) for kinds that are not labeled
    in the drawing; `dotted` if these are kinds of dots.
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
        """A short table need not be unfolded."""
        return len(self.rows) <= 6


def short(name: str, most: int) -> str:
    """The name, or its beginning where there is no room for all of it."""
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"
