"""A chart of the number of answers over time."""

import datetime
from collections.abc import Sequence

from django.utils.dateformat import format as date_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_noop as _

from labeling.insight.work import Slice
from labeling.web.charts.drawing import LEFT, RIGHT, TOP, Box, Drawing, Figure, Scale, Text, plane, whole_steps
from labeling.web.shared.words import DAY, HOUR, count, number

HEIGHT, BOTTOM = 200, 158
# By the seconds of a slice.
NOTES = {
    600: _("Answers of all annotators together in each ten minutes (UTC). Empty means no answers."),
    HOUR: _("Answers of all annotators together in each hour (UTC). Empty means no answers."),
    DAY: _("Answers of all annotators together in each day (UTC). Empty means no answers."),
}
STARTS = {600: _("Ten minutes from"), HOUR: _("Hour from"), DAY: _("Day from")}
AXES = {600: _("answers in each ten minutes"), HOUR: _("answers in each hour"), DAY: _("answers in each day")}
# The fewest slices that the axis has room for, so that a single slice is drawn as a column.
FEWEST = 6


def pace_chart(slices: Sequence[Slice], length: datetime.timedelta) -> Figure | None:
    """Draw the number of answers in each slice of time, empty slices included; None without answers."""
    if not slices:
        return None
    seconds = int(length.total_seconds())
    return Figure(
        name="pace",
        finding=finding(slices, seconds),
        note=gettext(NOTES[seconds]),
        drawing=_draw(slices, length),
        columns=[gettext(STARTS[seconds]), gettext("Answers")],
        texts=(0,),
        rows=[[_exact(each.start, length), number(each.answers)] for each in reversed(slices)],
    )


def finding(slices: Sequence[Slice], seconds: int) -> str:
    """Say how many answers there are, and how many in the best slice, of slices of `seconds`."""
    n, most = sum(each.answers for each in slices), max(each.answers for each in slices)
    alone, best = {
        600: (
            ngettext("%(n)s answer within ten minutes", "%(n)s answers within ten minutes", n),
            ngettext(
                "%(n)s answer; the busiest ten minutes had %(most)s",
                "%(n)s answers; the busiest ten minutes had %(most)s",
                n,
            ),
        ),
        HOUR: (
            ngettext("%(n)s answer within one hour", "%(n)s answers within one hour", n),
            ngettext("%(n)s answer; the busiest hour had %(most)s", "%(n)s answers; the busiest hour had %(most)s", n),
        ),
        DAY: (
            ngettext("%(n)s answer within one day", "%(n)s answers within one day", n),
            ngettext("%(n)s answer; the busiest day had %(most)s", "%(n)s answers; the busiest day had %(most)s", n),
        ),
    }[seconds]
    return (alone if len(slices) == 1 else best) % {"n": number(n), "most": number(most)}


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
    return plane(
        HEIGHT,
        [(up(n), number(n)) for n in whole_steps(most)],
        [Text(LEFT, BOTTOM + 18, _exact(first, length)), Text(RIGHT, BOTTOM + 18, _exact(end, length), "end")],
        gettext(AXES[int(length.total_seconds())]),
        boxes=boxes,
    )


def _exact(at: datetime.datetime, length: datetime.timedelta) -> str:
    return date_format(at, gettext("j M Y") if length >= datetime.timedelta(days=1) else gettext("j M H:i"))
