"""A chart of the number of answers over time."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from labeling.insight.work import Slice
from labeling.web.charts.drawing import Box, Column, Drawing, Figure, Line, Text
from labeling.web.charts.scales import Scale, whole_steps
from labeling.web.shared.words import DAY, HOUR, count, number

WIDTH, HEIGHT = 380, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 366, 12, 158
UNITS = {600: "ten minutes", HOUR: "hour", DAY: "day"}
# The fewest slices that the axis has room for, so that a single slice is drawn as a column.
FEWEST = 6


def pace_chart(slices: Sequence[Slice], length: datetime.timedelta) -> Figure | None:
    """Draw the number of answers in each slice of time, empty slices included; None without answers."""
    if not slices:
        return None
    unit = UNITS[int(length.total_seconds())]
    return Figure(
        name="pace",
        finding=finding(slices, unit),
        note=f"Answers of all annotators together in each {unit} (UTC). Empty means no answers.",
        drawing=_draw(slices, length),
        columns=[Column(f"{unit.capitalize()} from", number=False), Column("Answers")],
        rows=[[_exact(each.start, length), number(each.answers)] for each in reversed(slices)],
    )


def finding(slices: Sequence[Slice], unit: str) -> str:
    """Say how many answers there are, and how many in the best slice."""
    total = count(sum(each.answers for each in slices), "answer")
    if len(slices) == 1:
        return f"{total} within {'ten minutes' if unit == 'ten minutes' else f'one {unit}'}"
    return f"{total}; the busiest {unit} had {number(max(each.answers for each in slices))}"


def _draw(slices: Sequence[Slice], length: datetime.timedelta) -> Drawing:
    most = max(each.answers for each in slices)
    first = slices[0].start
    end = max(slices[-1].start + length, first + FEWEST * length)
    span = (end - first) / length
    across, up = Scale(0, span, LEFT, RIGHT), Scale(0, most, BOTTOM, TOP)
    gap = 1 if (RIGHT - LEFT) / span > 4 else 0
    boxes = []
    for each in slices:
        place = (each.start - first) / length
        left, right, top = across(place), across(place + 1), up(each.answers)
        title = f"{_exact(each.start, length)}: {count(each.answers, 'answer')}"
        boxes.append(Box(left, top, round(max(right - left - gap, 0.5), 1), round(BOTTOM - top, 1), title=title))
    return Drawing(
        width=WIDTH,
        height=HEIGHT,
        lines=[Line(LEFT, up(n), RIGHT, up(n)) for n in whole_steps(most)],
        boxes=boxes,
        texts=[
            *(Text(LEFT - 6, up(n) + 4, number(n), "end") for n in whole_steps(most)),
            Text(LEFT, BOTTOM + 18, _exact(first, length)),
            Text(RIGHT, BOTTOM + 18, _exact(end, length), "end"),
            Text(RIGHT, HEIGHT - 5, f"answers in each {UNITS[int(length.total_seconds())]}", "end"),
        ],
    )


def _exact(at: datetime.datetime, length: datetime.timedelta) -> str:
    return f"{at.day} {at:%b %Y}" if length >= datetime.timedelta(days=1) else f"{at.day} {at:%b %H:%M}"
