"""A chart of the learning curve and of the curve for labels drawn uniformly."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.labels_saved import Saved
from labeling.web.charts import learning
from labeling.web.charts.drawing import LEFT, RIGHT, TOP, Figure, Scale, upright
from labeling.web.charts.learning import BOTTOM, Accuracy, draw_between
from labeling.web.shared.words import count, interval, number, percent, span

NOTE = _(
    "Measured on control items, which no version learns from. Dashed: models that were trained on labels drawn at "
    "random and thrown away, with the curve through them. Lines and bands are 95 % intervals."
)
LEGEND = [("bar", _("the project’s versions")), ("dark", _("labels drawn at random, estimated"))]
FARTHEST = 3.0
"""The end of the axis, as a multiple of the newest version's labels; a longer axis would shrink the curve too much."""


def payoff_chart(points: Sequence[Accuracy], saved: Saved) -> Figure:
    """Draw both curves, with the labels saved as the finding if there is one."""
    most = max(max(point.labels for point in points), max(point.labels for point in saved.points))
    farthest = min(max(saved.needed.value or saved.limit, most), FARTHEST * most)
    shown = saved.curve.labels <= farthest
    lows = [*(point.low for point in points), *(point.low for point in saved.points)]
    floor = int(min(0.9, *lows) * 10) / 10
    across, up = Scale(0, farthest, LEFT, RIGHT), Scale(floor, 1, BOTTOM, TOP)
    curve = saved.curve
    upper = _path(curve.labels[shown], curve.high[shown], across, up)
    lower = _path(curve.labels[shown], curve.low[shown], across, up)
    by_chance = [
        upright(
            across(point.labels), up, point.accuracy, point.low, point.high,
            f"{count(point.labels, 'random label')}: {_share(point.accuracy, point.low, point.high)}", "over",
        )
        for point in saved.points
    ]  # fmt: skip
    drawing = draw_between(points, across, up)
    return Figure(
        name="accuracy",
        finding=finding(saved) or learning.finding(points),
        note=gettext(NOTE),
        drawing=replace(
            drawing,
            marks=[*by_chance, *drawing.marks],
            other_band=" ".join([*upper, *reversed(lower)]),
            other_path=" ".join(_path(curve.labels[shown], curve.value[shown], across, up)),
        ),
        columns=[
            gettext("Trained on"), gettext("Labels"), gettext("Accuracy"), gettext("95 % interval"), gettext("Items"),
        ],
        texts=(0,),
        rows=[
            *(
                [gettext("version %(version)s") % {"version": p.version}, number(p.labels), p.shown, p.interval,
                 number(p.n)]
                for p in points
            ),
            *(
                [gettext("random labels"), number(p.labels), percent(p.accuracy, exact=True), interval(p.low, p.high),
                 number(p.n)]
                for p in saved.points
            ),
        ],
        legend=[(kind, gettext(meaning)) for kind, meaning in LEGEND],
    )  # fmt: skip


def finding(saved: Saved) -> str:
    """Say in one sentence what picking saved or cost; "" if the interval tells neither."""
    labels = saved.labels
    if labels.high is not None and labels.high < 0:
        return gettext("Random labels would have been %(high)s fewer at least: picking has not paid off so far") % {
            "high": about(-labels.high)
        }
    if labels.low <= 0:
        return ""
    if labels.value is None:
        return gettext("At least %(low)s labels saved so far") % {"low": about(labels.low)}
    return gettext("About %(labels)s labels saved so far (%(interval)s)") % {
        "labels": about(labels.value),
        "interval": _interval(saved),
    }


def _interval(saved: Saved) -> str:
    labels = saved.labels
    high = gettext("more than %(limit)s") % {"limit": about(saved.limit - round(saved.needed.low - labels.low))}
    return span(about(labels.low), high if labels.high is None else about(labels.high))


def about(labels: float) -> str:
    """Return a number of labels, rounded to its two digits of precision: 1,200, −40."""
    size = abs(round(labels))
    unit = 10 ** max(0, len(str(size)) - 2)
    rounded = round(size / unit) * unit
    return f"{'−' if labels < 0 and rounded else ''}{number(rounded)}"


def _path(labels: np.ndarray, shares: np.ndarray, across: Scale, up: Scale) -> list[str]:
    return [f"{across(x)},{up(y)}" for x, y in zip(labels.tolist(), shares.tolist(), strict=True)]


def _share(value: float, low: float, high: float) -> str:
    return gettext("%(value)s (%(low)s to %(high)s)") % {
        "value": percent(value, exact=True),
        "low": percent(low, exact=True),
        "high": percent(high, exact=True),
    }
