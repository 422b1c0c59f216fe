"""Charts that compare annotators: the time for an answer, and the accuracy on control items."""

from collections.abc import Callable, Sequence

from django.utils.translation import gettext

from labeling.insight.annotators import Annotator
from labeling.insight.share_intervals import ENOUGH
from labeling.web.charts.drawing import (
    LETTERS,
    STRIPS_TOP,
    Drawing,
    Figure,
    Mark,
    Scale,
    Text,
    shares_from,
    short,
    strips,
    time_steps,
    time_word,
)
from labeling.web.shared.words import count, duration, interval, number, percent, span

LEFT, RIGHT, ROW = 118, 356, 26
SHOWN = 20


def pace_of_people(people: Sequence[Annotator]) -> Figure | None:
    """Draw each annotator's median seconds for an answer, with the quartiles; None without answers."""
    people = [each for each in people if each.answers][:SHOWN]
    if not people:
        return None
    most = max(max(each.slow for each in people), 1.0)
    steps = time_steps(most, at_most=4)
    across = Scale(0, max(most, steps[-1]), LEFT, RIGHT)

    def mark(each: Annotator, y: float) -> Mark:
        title = gettext("%(username)s: %(median)s, the middle half %(spread)s") % {
            "username": each.username,
            "median": duration(each.median),
            "spread": _spread(each),
        }
        return Mark(across(each.median), y, across(each.fast), y, across(each.slow), y, title)

    ticks = [(across(step), time_word(step)) for step in steps]
    return Figure(
        name="seconds",
        finding=_pace_finding(people),
        note=gettext(
            "Points: median time from an item’s appearance to the answer. Lines: the middle half of the answers."
        ),
        drawing=_rows(people, mark, ticks, gettext("time an answer takes")),
        columns=[gettext("Annotator"), gettext("Median"), gettext("Middle half"), gettext("Answers")],
        texts=(0,),
        rows=[[each.username, duration(each.median), _spread(each), number(each.answers)] for each in people],
    )


def _pace_finding(people: Sequence[Annotator]) -> str:
    quick, slow = min(people, key=lambda each: each.median), max(people, key=lambda each: each.median)
    if quick is slow or quick.median == slow.median:
        return gettext("An answer takes %(median)s") % {"median": duration(quick.median)}
    return gettext("An answer takes from %(median)s (%(username)s) to %(median2)s (%(username2)s)") % {
        "median": duration(quick.median),
        "username": quick.username,
        "median2": duration(slow.median),
        "username2": slow.username,
    }


def accuracy_of_people(people: Sequence[Annotator]) -> Figure | None:
    """Draw each annotator's accuracy on control items, with intervals; None if no annotator has enough of them."""
    people = [each for each in people if each.control and each.control.n >= ENOUGH][:SHOWN]
    measured = [each.control for each in people if each.control]
    if not measured:
        return None
    floor = int(min(0.9, *(share.low for share in measured)) * 10) / 10
    across = Scale(floor, 1, LEFT, RIGHT)

    def mark(each: Annotator, y: float) -> Mark:
        share = each.control
        assert share is not None
        title = gettext("%(username)s: %(share)s of %(control_items)s") % {
            "username": each.username,
            "share": percent(share.value),
            "control_items": count(share.n, "control item"),
        }
        return Mark(across(share.value), y, across(share.low), y, across(share.high), y, title)

    ticks = [(across(share), percent(share)) for share in shares_from(floor)]
    return Figure(
        name="right",
        finding=_accuracy_finding(people),
        note=gettext("Points: share of answers to control items that were right. Lines: 95 % intervals."),
        drawing=_rows(people, mark, ticks, gettext("right on control items")),
        columns=[gettext("Annotator"), gettext("Right"), gettext("95 % interval"), gettext("Control items")],
        texts=(0,),
        rows=[
            [each.username, percent(share.value, exact=True), interval(share.low, share.high), number(share.n)]
            for each, share in zip(people, measured, strict=True)
        ],
    )


def _accuracy_finding(people: Sequence[Annotator]) -> str:
    """Say who is less accurate; only an interval that does not overlap the others counts."""
    known = [(each.username, each.control) for each in people if each.control]
    worst_name, worst = min(known, key=lambda pair: pair[1].high)
    best_name, best = max(known, key=lambda pair: pair[1].low)
    if len(known) == 1:
        return gettext("%(worst_name)s is right on %(worst)s of control items") % {
            "worst_name": worst_name,
            "worst": percent(worst.value),
        }
    if worst.high < best.low:
        return gettext("%(worst_name)s is right less often (%(worst)s) than %(best_name)s (%(best)s)") % {
            "worst_name": worst_name,
            "worst": percent(worst.value),
            "best_name": best_name,
            "best": percent(best.value),
        }
    return gettext("No person stands out: the intervals overlap")


def _spread(each: Annotator) -> str:
    return span(duration(each.fast), duration(each.slow))


def _rows(
    people: Sequence[Annotator], mark: Callable[[Annotator, float], Mark], ticks: list[tuple[float, str]], axis: str
) -> Drawing:
    """Draw a row for each annotator, with a mark on a common scale."""
    middles = [STRIPS_TOP + ROW * place + ROW / 2 for place in range(len(people))]
    marks = [mark(each, y) for each, y in zip(people, middles, strict=True)]
    names = [
        Text(LEFT - 8, y + 4, short(each.username, LETTERS), "end", "name")
        for each, y in zip(people, middles, strict=True)
    ]
    return strips(STRIPS_TOP + ROW * len(people), RIGHT, ticks, names, axis, marks=marks)
