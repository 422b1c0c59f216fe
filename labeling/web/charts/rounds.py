"""A chart of the time that each batch spent in picking, labeling and training."""

import datetime
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.models import Batch
from labeling.web.charts.drawing import STRIPS_TOP, Box, Drawing, Figure, Scale, Text, strips, time_steps, time_word
from labeling.web.shared.words import duration, number, percent

LEFT, RIGHT, ROW = 62, 320, 24
NOTE = _("Each batch from the start of its selection. Labeling is the time that people spent on its items.")
LEGEND = [("hollow", _("picking")), ("bar", _("open to people")), ("dark", _("training"))]


@dataclass(frozen=True, slots=True)
class Round:
    """The spans of a batch in seconds; `under_way`: its last span has not ended.

    `open` includes time without any annotator at work; `labeling` is the working time of all annotators on its items.
    """

    number: int
    selecting: float
    open: float
    training: float
    begun: datetime.datetime
    under_way: bool = False
    labeling: float = 0.0

    @property
    def total(self) -> float:
        return self.selecting + self.open + self.training

    @property
    def spans(self) -> list[tuple[str, str, float]]:
        return [
            ("hollow", gettext("picking"), self.selecting),
            ("bar", gettext("open to people"), self.open),
            ("dark", gettext("training"), self.training),
        ]


def rounds_of(batches: Iterable[Batch], hours: Mapping[int, float], now: datetime.datetime) -> list[Round]:
    """Return the spans of batches, an unfinished one up to `now`. `hours`: the hours of work by a batch's key."""
    return [
        Round(
            number=batch.number,
            selecting=_seconds(batch.created_at, batch.opened_at, now),
            open=_seconds(batch.opened_at, batch.completed_at, now),
            training=_seconds(batch.completed_at, batch.done_at, now),
            begun=batch.created_at,
            under_way=batch.state != Batch.State.DONE,
            labeling=3600 * hours.get(batch.pk, 0),
        )
        for batch in batches
    ]


def _seconds(start: datetime.datetime | None, end: datetime.datetime | None, now: datetime.datetime) -> float:
    return max(0.0, ((end or now) - start).total_seconds()) if start else 0.0


def round_times(rounds: Sequence[Round]) -> Figure | None:
    """Draw a strip for each batch, from its start; None without batches."""
    if not rounds:
        return None
    return Figure(
        name="rounds",
        finding=finding(rounds),
        note=gettext(NOTE),
        drawing=_draw(rounds),
        columns=[
            gettext("Batch"), gettext("Began (UTC)"), gettext("Picking"), gettext("Open"), gettext("Labeling"),
            gettext("Training"), gettext("In all"),
        ],
        texts=(1,),
        rows=[
            [
                str(each.number), f"{each.begun:%Y-%m-%d %H:%M}", duration(each.selecting), duration(each.open),
                duration(each.labeling) if each.labeling else "–", duration(each.training),
                _total(each),
            ]
            for each in rounds
        ],
        legend=[(kind, gettext(meaning)) for kind, meaning in LEGEND],
    )  # fmt: skip


def _total(each: Round) -> str:
    total = duration(each.total)
    return gettext("%(time)s so far") % {"time": total} if each.under_way else total


def finding(rounds: Sequence[Round]) -> str:
    """Say how long a batch takes, and which span takes most of it."""
    finished = [each for each in rounds if not each.under_way]
    if not finished:
        return gettext("Batch %(number)s has been under way for %(total)s") % {
            "number": rounds[-1].number,
            "total": duration(rounds[-1].total),
        }
    total = sum(each.total for each in finished)
    kind, part = max(
        ("open", sum(each.open for each in finished)),
        ("training", sum(each.training for each in finished)),
        ("picking", sum(each.selecting for each in finished)),
        key=lambda pair: pair[1],
    )
    took = _took(finished)
    if not total:
        return took
    values = {"took": took, "part": percent(part / total)}
    if kind == "training":
        return gettext("%(took)s: %(part)s of the time is training") % values
    if kind == "picking":
        return gettext("%(took)s: %(part)s of the time is picking") % values
    spent = [each.labeling for each in finished if each.labeling]
    if not spent:
        return gettext("%(took)s: it is open %(part)s of the time") % values
    values["spent"] = duration(statistics.median(spent))
    return gettext("%(took)s: it is open %(part)s of the time, with %(spent)s of labeling") % values


def _took(finished: Sequence[Round]) -> str:
    usual = duration(statistics.median(each.total for each in finished))
    if len(finished) == 1:
        return gettext("Batch %(number)s took %(time)s") % {"number": finished[0].number, "time": usual}
    return gettext("A batch usually takes %(time)s (median of %(n)s)") % {"time": usual, "n": number(len(finished))}


def _draw(rounds: Sequence[Round]) -> Drawing:
    most = max(1.0, *(each.total for each in rounds))
    across = Scale(0, most, LEFT, RIGHT)
    boxes, texts = [], []
    for place, each in enumerate(rounds):
        y, at = STRIPS_TOP + ROW * place, 0.0
        texts.append(Text(LEFT - 8, y + ROW / 2 + 4, gettext("Batch %(number)s") % {"number": each.number}, "end"))
        for kind, phase, seconds in each.spans:
            if seconds:
                left, right = across(at), across(at + seconds)
                title = gettext("Batch %(number)s, %(phase)s: %(seconds)s") % {
                    "number": each.number,
                    "phase": phase,
                    "seconds": duration(seconds),
                }
                boxes.append(Box(left, y + 5, round(max(right - left, 1.5), 1), ROW - 10, kind, title))
            at += seconds
        total = duration(each.total) + (" …" if each.under_way else "")
        texts.append(Text(across(at) + 6, y + ROW / 2 + 4, total, "start", "value"))
    ticks = [(across(n), time_word(n)) for n in time_steps(most, at_most=4)]
    axis = gettext("time since the batch began")
    return strips(STRIPS_TOP + ROW * len(rounds), RIGHT, ticks, texts, axis, boxes=boxes)
