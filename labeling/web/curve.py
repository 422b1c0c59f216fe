"""Accuracy against labels, round by round: what to draw, and what it says. Values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labeling.web.words import count, number, percent

# The drawing's own units; the picture scales as a whole. Small enough that its letters can be read on a phone.
WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 366, 12, 200


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A model version's accuracy on the control slice, `n` items, with its 95 % interval."""

    version: int
    labels: int
    n: int
    value: float
    low: float
    high: float

    @property
    def shown(self) -> str:
        return percent(self.value, exact=True)

    @property
    def low_shown(self) -> str:
        return percent(self.low, exact=True)

    @property
    def high_shown(self) -> str:
        return percent(self.high, exact=True)

    @property
    def interval(self) -> str:
        return f"{self.low_shown} to {self.high_shown}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A version in the drawing: its point and the ends of its interval."""

    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """All that the template draws."""

    finding: str
    marks: list[Mark]
    line: str
    band: str
    across: list[Tick]
    up: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT
    bottom: int = BOTTOM


def accuracy_of(model: dict[str, Any]) -> Accuracy | None:
    """A version as `status_of` tells of it: measured on all control items labeled by now, which makes versions
    comparable, or else on those of its own time. None if there was none.
    """
    control = model["control_now"] or model["metrics"].get("control")
    if not control or not control["n"]:
        return None
    return Accuracy(
        version=model["version"],
        labels=model["labels"],
        n=control["n"],
        value=control["accuracy"],
        low=control["low"],
        high=control["high"],
    )


def finding(points: Sequence[Accuracy]) -> str:
    """What the curve shows, in one sentence: a change is only called one if the intervals do not overlap."""
    first, last = points[0], points[-1]
    start, end = percent(first.value), percent(last.value)
    after = f"after {count(last.labels, 'label')}"
    if len(points) == 1:
        return f"Accuracy is {end} {after}"
    if last.low > first.high:
        return f"Accuracy rose from {start} to {end} in {count(len(points), 'round')}"
    if last.high < first.low:
        return f"Accuracy fell from {start} to {end} in {count(len(points), 'round')}"
    return f"Accuracy is {end} {after}; too few control items to tell it from the first round’s {start}"


def draw(points: Sequence[Accuracy]) -> Curve | None:
    """The curve of these versions, in their order; None if there is none."""
    if not points:
        return None
    most = max(point.labels for point in points)
    floor = int(min(0.9, *(point.low for point in points)) * 10) / 10
    marks = [
        Mark(
            x=_x(point.labels, most),
            y=_y(point.value, floor),
            low=_y(point.low, floor),
            high=_y(point.high, floor),
            label=f"Version {point.version}, {count(point.labels, 'label')}: {point.shown} ({point.interval})",
        )
        for point in points
    ]
    edge = [f"{mark.x},{mark.high}" for mark in marks] + [f"{mark.x},{mark.low}" for mark in reversed(marks)]
    return Curve(
        finding=finding(points),
        marks=marks,
        line=" ".join(f"{mark.x},{mark.y}" for mark in marks),
        band=" ".join(edge),
        across=[Tick(_x(labels, most), number(labels)) for labels in _whole_steps(most)],
        up=[Tick(_y(share, floor), percent(share)) for share in _shares(floor)],
    )


def _x(labels: int, most: int) -> float:
    return round(LEFT + (RIGHT - LEFT) * labels / max(1, most), 1)


def _y(share: float, floor: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * (share - floor) / (1 - floor), 1)


def _whole_steps(most: int) -> list[int]:
    """From 0, in steps of 1, 2 or 5 times a power of ten, at most five of them up to `most`."""
    step, factors = 1, (2, 2.5, 2)
    for turn in range(60):
        if most // step <= 5:
            break
        step = int(step * factors[turn % 3])
    return list(range(0, most + 1, step))


def _shares(floor: float) -> list[float]:
    """Gridlines from `floor` to 1: every tenth, or every fifth where there would be too many."""
    tenths = range(round(floor * 10), 11)
    return [tenth / 10 for tenth in tenths if len(tenths) <= 6 or (10 - tenth) % 2 == 0]
