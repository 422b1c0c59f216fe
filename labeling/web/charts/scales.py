"""Scales from values to positions in a drawing, and the round values on an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.utils.translation import gettext

from labeling.web.shared.words import DAY, HOUR, MINUTE, localized

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
