"""The elements of a chart, the scales from values to positions, and the round values on an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext

from labeling.web.shared.words import DAY, HOUR, MINUTE, localized

WIDTH = 380
# The edges of a plane.
LEFT, RIGHT, TOP = 46, 366, 12
# The top of the first strip, and the most letters of the names beside strips.
STRIPS_TOP, LETTERS = 6, 15


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
class Figure:
    """A drawing with its finding as the title, a note on how to read it, and the table of its values.

    The first cell of a row is its header, and may be a link. `texts`: the places of columns that have no numbers.
    `legend` holds (kind, meaning) for kinds without a label in the drawing; `dotted`: these kinds are dots.
    """

    name: str
    finding: str
    note: str
    drawing: Drawing
    columns: list[str]
    rows: Sequence[Sequence[str | Link]]
    legend: list[tuple[str, str]] = field(default_factory=list)
    texts: tuple[int, ...] = ()
    dotted: bool = False

    @property
    def open(self) -> bool:
        """Return whether the table is short enough to be unfolded from the start."""
        return len(self.rows) <= 6


def upright(x: float, up: Scale, value: float, low: float, high: float, title: str, kind: str = "mark") -> Mark:
    """Make the mark of a value with its interval, on the scale `up`."""
    return Mark(x, up(value), x, up(low), x, up(high), title, kind)


def plane(
    height: int,
    levels: Sequence[tuple[float, str]],
    below: Sequence[Text],
    axis: str,
    more_lines: Sequence[Line] = (),
    side: str = "",
    **more: Any,
) -> Drawing:
    """Draw values over values: a line at each of the `levels`, (place, text), the texts `below`, and the names of the
    `axis` below and of the one at the `side`, which stands above it.

    Drawings have `LEFT`, `RIGHT` and `TOP` as their edges. `more`: other fields of the `Drawing`.
    """
    return Drawing(
        WIDTH,
        height,
        lines=[*(Line(LEFT, y, RIGHT, y) for y, _ in levels), *more_lines],
        texts=[
            *(Text(LEFT - 6, y + 4, text, "end") for y, text in levels),
            *below,
            Text(RIGHT, height - 5, axis, "end"),
            *([Text(LEFT, TOP - 3, side, "start")] if side else ()),
        ],
        **more,
    )


def strips(
    bottom: float, right: float, ticks: Sequence[tuple[float, str]], texts: Sequence[Text], axis: str, **more: Any
) -> Drawing:
    """Draw rows below each other, down to `bottom`, with a line at each of the `ticks`, (place, text), for all."""
    return Drawing(
        WIDTH,
        round(bottom) + 40,
        lines=[Line(x, STRIPS_TOP, x, bottom) for x, _ in ticks],
        texts=[
            *texts,
            *(Text(x, bottom + 16, text, "middle") for x, text in ticks),
            Text(right, bottom + 34, axis, "end"),
        ],
        **more,
    )


def short(name: str, most: int) -> str:
    """Return the name, cut to at most `most` characters."""
    return name if len(name) <= most else f"{name[: most - 1].rstrip()}…"


# The steps of an axis of time, in seconds.
TIME_STEPS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low` … `high` to `start` … `end`. Values beyond are clipped; an empty range maps to `start`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high <= self.low:
            return round(self.start, 1)
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return round(self.start + (self.end - self.start) * share, 1)


def whole_steps(most: int) -> list[int]:
    """Return axis values from 0 up to `most`, at most five steps of 1, 2 or 5 times a power of ten."""
    step, factors = 1, (2, 2.5, 2)
    for turn in range(60):
        if most // step <= 5:
            break
        step = int(step * factors[turn % 3])
    return list(range(0, most + 1, step))


def shares_from(floor: float) -> list[float]:
    """Return gridlines from the share `floor` to 1: every tenth, or every fifth if there would be too many."""
    tenths = range(round(floor * 10), 11)
    return [tenth / 10 for tenth in tenths if len(tenths) <= 6 or (10 - tenth) % 2 == 0]


def shares_to(most: float) -> list[float]:
    """Return gridlines from 0 to at least the share `most`: two to six, in steps of 1, 2 or 5 times a power of ten."""
    most = min(max(most, 1e-6), 1.0)
    size = 10 ** math.floor(math.log10(most))
    step = next(factor * size for factor in (0.2, 0.5, 1, 2) if most <= 5 * factor * size)
    return [round(turn * step, 12) for turn in range(math.ceil(most / step - 1e-9) + 1)]


def time_steps(most: float, *, at_most: int = 5) -> list[float]:
    """Return axis values from 0 up to `most` seconds: at most `at_most`, in steps of `TIME_STEPS`."""
    step = next((step for step in TIME_STEPS if most / step <= at_most), TIME_STEPS[-1])
    return [turn * step for turn in range(min(int(most / step), at_most) + 1)]


def time_word(seconds: float) -> str:
    """Return a time for an axis: 0, 30 s, 5 min, 2 h, 3 d."""
    units = ((DAY, gettext("%(n)s\u00a0d")), (HOUR, gettext("%(n)s\u00a0h")), (MINUTE, gettext("%(n)s\u00a0min")))
    for size, text in units:
        if seconds >= size and seconds % size == 0:
            return text % {"n": f"{seconds // size:.0f}"}
    return gettext("%(n)s\u00a0s") % {"n": localized(f"{seconds:g}")} if seconds else "0"
