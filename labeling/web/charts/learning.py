"""The learning curve: accuracy against labels, a point for each model version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.share_intervals import ENOUGH
from labeling.web.charts.drawing import (
    LEFT,
    RIGHT,
    TOP,
    Drawing,
    Figure,
    Mark,
    Scale,
    Text,
    plane,
    shares_from,
    upright,
    whole_steps,
)
from labeling.web.shared.words import TOO_FEW, accuracy, count, number, percent, span

HEIGHT, BOTTOM = 240, 200
NOTE = _("Measured on control items, which no model learns from. The lines are 95 % intervals.")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A model version's accuracy on `n` control items, with its 95 % interval."""

    version: int
    labels: int
    n: int
    value: float
    low: float
    high: float

    @property
    def shown(self) -> str:
        return accuracy(self.value, self.n)

    @property
    def is_known(self) -> bool:
        """Return whether there are enough items for a figure."""
        return self.n >= ENOUGH

    @property
    def low_shown(self) -> str:
        return percent(self.low, exact=True)

    @property
    def high_shown(self) -> str:
        return percent(self.high, exact=True)

    @property
    def interval(self) -> str:
        return span(self.low_shown, self.high_shown)


def accuracy_of(model: dict[str, Any]) -> Accuracy | None:
    """Return the accuracy of a version that `status_of` describes; None if it was not measured.

    Prefers the accuracy on all control items that are labeled by now, which makes versions comparable, over that at the
    time of the training.
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
    """Say in one sentence what the curve shows. Only a change with intervals that do not overlap counts as a change."""
    if not points[-1].is_known:
        return f"{capfirst(TOO_FEW)}: {count(points[-1].n, 'control item')}"
    points = [point for point in points if point.is_known]
    first, last = points[0], points[-1]
    start, end = percent(first.value), percent(last.value)
    labels = count(last.labels, "label")
    if len(points) == 1:
        return gettext("Accuracy is %(end)s after %(labels)s") % {"end": end, "labels": labels}
    if last.low > first.high:
        return gettext("Accuracy rose from %(start)s to %(end)s in %(rounds)s") % {
            "start": start,
            "end": end,
            "rounds": count(len(points), "round"),
        }
    if last.high < first.low:
        return gettext("Accuracy fell from %(start)s to %(end)s in %(rounds)s") % {
            "start": start,
            "end": end,
            "rounds": count(len(points), "round"),
        }
    return gettext(
        "Accuracy is %(end)s after %(labels)s; too few control items to tell it from the first round’s %(start)s"
    ) % {"end": end, "labels": labels, "start": start}


def learning_curve(points: Sequence[Accuracy]) -> Figure | None:
    """Draw the learning curve of these versions, in their order; None without versions."""
    if not points:
        return None
    return Figure(
        name="accuracy",
        finding=finding(points),
        note=gettext(NOTE),
        drawing=_draw(points),
        columns=[
            gettext("Version"), gettext("Labels"), gettext("Accuracy"), gettext("95 % interval"),
            gettext("Control items"),
        ],
        rows=[[str(p.version), number(p.labels), p.shown, p.interval, number(p.n)] for p in points],
    )  # fmt: skip


def _draw(points: Sequence[Accuracy]) -> Drawing:
    most = max(1, *(point.labels for point in points))
    floor = int(min(0.9, *(point.low for point in points)) * 10) / 10
    return draw_between(points, Scale(0, most, LEFT, RIGHT), Scale(floor, 1, BOTTOM, TOP))


def draw_between(points: Sequence[Accuracy], across: Scale, up: Scale) -> Drawing:
    """Draw the curve with its axes, from labels on the scale `across` to accuracy on the scale `up`."""
    floor, most = up.low, round(across.high)
    marks = [_mark(point, across, up) for point in points]
    edge = [f"{mark.x},{mark.y2}" for mark in marks] + [f"{mark.x},{mark.y1}" for mark in reversed(marks)]
    return plane(
        HEIGHT,
        [(up(share), percent(share)) for share in shares_from(floor)],
        [Text(across(labels), BOTTOM + 18, number(labels), "middle") for labels in whole_steps(most)],
        gettext("labels that the model learned from"),
        marks=marks,
        band=" ".join(edge),
        path=" ".join(f"{mark.x},{mark.y}" for mark in marks),
    )


def _mark(point: Accuracy, across: Scale, up: Scale) -> Mark:
    title = gettext("Version %(version)s, %(labels)s: %(shown)s (%(interval)s)") % {
        "version": point.version,
        "labels": count(point.labels, "label"),
        "shown": point.shown,
        "interval": point.interval,
    }
    return upright(across(point.labels), up, point.value, point.low, point.high, title)
