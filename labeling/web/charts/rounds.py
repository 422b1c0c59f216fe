"""A chart of the time that each batch spent in picking, labeling and training."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from labeling.models import Batch
from labeling.web.charts.drawing import Box, Column, Drawing, Figure, Line, Text
from labeling.web.charts.scales import Scale, time_steps, time_word
from labeling.web.shared.words import duration, percent

WIDTH, LEFT, RIGHT, TOP, ROW = 380, 62, 320, 6, 24
LEGEND = [("hollow", "picking"), ("bar", "open to people"), ("dark", "training")]


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
            ("hollow", "picking", self.selecting),
            ("bar", "open to people", self.open),
            ("dark", "training", self.training),
        ]


def rounds_of(batches: Iterable[Batch], hours: Mapping[int, float], now: datetime.datetime) -> list[Round]:
    """Return the spans of batches; an unfinished span ends at `now`. `hours` maps a batch's key to its hours of
    work.
    """
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
        note="Each batch from the start of its selection. Labeling is the time that people spent on its items.",
        drawing=_draw(rounds),
        columns=[
            Column("Batch"), Column("Began (UTC)", number=False), Column("Picking"), Column("Open"),
            Column("Labeling"), Column("Training"), Column("In all"),
        ],
        rows=[
            [
                str(each.number), f"{each.begun:%Y-%m-%d %H:%M}", duration(each.selecting), duration(each.open),
                duration(each.labeling) if each.labeling else "–", duration(each.training),
                f"{duration(each.total)}{' so far' if each.under_way else ''}",
            ]
            for each in rounds
        ],
        legend=LEGEND,
    )  # fmt: skip


def finding(rounds: Sequence[Round]) -> str:
    """Say how long a batch takes, and which span takes most of it."""
    finished = [each for each in rounds if not each.under_way]
    if not finished:
        return f"Batch {rounds[-1].number} has been under way for {duration(rounds[-1].total)}"
    total = sum(each.total for each in finished)
    kind, part = max(
        ("open", sum(each.open for each in finished)),
        ("training", sum(each.training for each in finished)),
        ("picking", sum(each.selecting for each in finished)),
        key=lambda pair: pair[1],
    )
    usual = duration(statistics.median(each.total for each in finished))
    one = len(finished) == 1
    took = (
        f"Batch {finished[0].number} took {usual}"
        if one
        else f"A batch usually takes {usual} (median of {len(finished)})"
    )
    if not total:
        return took
    if kind != "open":
        return f"{took}: {percent(part / total)} of the time is {kind}"
    spent = [each.labeling for each in finished if each.labeling]
    work = f", with {duration(statistics.median(spent))} of labeling" if spent else ""
    return f"{took}: it is open {percent(part / total)} of the time{work}"


def _draw(rounds: Sequence[Round]) -> Drawing:
    most = max(1.0, *(each.total for each in rounds))
    across = Scale(0, most, LEFT, RIGHT)
    bottom = TOP + ROW * len(rounds)
    boxes, texts = [], []
    for place, each in enumerate(rounds):
        y, at = TOP + ROW * place, 0.0
        texts.append(Text(LEFT - 8, y + ROW / 2 + 4, f"Batch {each.number}", "end"))
        for kind, phase, seconds in each.spans:
            if seconds:
                left, right = across(at), across(at + seconds)
                title = f"Batch {each.number}, {phase}: {duration(seconds)}"
                boxes.append(Box(left, y + 5, round(max(right - left, 1.5), 1), ROW - 10, kind, title))
            at += seconds
        total = duration(each.total) + (" …" if each.under_way else "")
        texts.append(Text(across(at) + 6, y + ROW / 2 + 4, total, "start", "value"))
    steps = time_steps(most, at_most=4)
    return Drawing(
        width=WIDTH,
        height=bottom + 40,
        lines=[Line(across(n), TOP, across(n), bottom) for n in steps],
        boxes=boxes,
        texts=[
            *texts,
            *(Text(across(n), bottom + 16, time_word(n), "middle") for n in steps),
            Text(RIGHT, bottom + 34, "time since the batch began", "end"),
        ],
    )
