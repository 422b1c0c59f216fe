"""The expected share of wrong labels, by how many the model gives."""

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.finishing.forecasts import Forecast
from labeling.web.charts.drawing import LEFT, RIGHT, TOP, Drawing, Figure, Line, Scale, Text, plane, shares_to, upright
from labeling.web.charts.payoff import about
from labeling.web.shared.words import count, number, percent

HEIGHT, BOTTOM = 230, 188
TALLEST = 4.0
"""The top of the axis, as a multiple of the goal: errors far above it are not drawn."""
NOTE = _(
    "Estimated from control items, which no model learns from. The surest labels come first. Dashed: the goal for the "
    "whole pool. The model’s labels alone may exceed it, because people’s labels of the rest stay below it."
)
QUARTERS = (0, 0.25, 0.5, 0.75, 1)


def error_curve(forecast: Forecast, error: float) -> Figure | None:
    """Draw the expected error of the labels of which the model is surest, by their number, with the goal and the
    forecast; None if the model may label no item.
    """
    if not forecast.curve:
        return None
    return Figure(
        name="errors",
        finding=_finding(forecast),
        note=gettext(NOTE),
        drawing=_draw(forecast, error),
        columns=[
            gettext("Labels of the model"), gettext("Share of the open items"), gettext("Expected to be wrong"),
            gettext("Items that the audit asks"),
        ],
        rows=[
            [
                number(point.labels),
                percent(point.labels / forecast.left, exact=True),
                percent(point.error, exact=True),
                gettext("no audit pays") if point.answers is None else number(point.answers),
            ]
            for point in forecast.curve
        ],
    )  # fmt: skip


def _finding(forecast: Forecast) -> str:
    if not forecast.labels:
        return gettext("At this error, the model cannot label any item yet")
    share = percent(round(forecast.labels / forecast.left, 2))
    return gettext("The model can label about %(labels)s items, %(share)s of what is open") % {
        "labels": about(forecast.labels),
        "share": share,
    }


def _draw(forecast: Forecast, error: float) -> Drawing:
    highest = max(point.error for point in forecast.curve)
    lines = shares_to(min(max(highest, error), TALLEST * error))
    across, up = Scale(0, 1, LEFT, RIGHT), Scale(0, lines[-1], BOTTOM, TOP)
    places = [(point.labels / forecast.left, point.error) for point in forecast.curve if point.error <= lines[-1]]
    marks = []
    if forecast.labels:
        x = across((forecast.labels + forecast.audit) / forecast.left)
        title = gettext("%(labels)s of the model: %(error)s expected to be wrong") % {
            "labels": count(forecast.labels, "label"),
            "error": percent(forecast.error),
        }
        marks = [upright(x, up, forecast.error, forecast.error, forecast.error, title)]
    return plane(
        HEIGHT,
        [(up(share), percent(share)) for share in lines],
        [Text(across(share), BOTTOM + 18, percent(share), "middle" if share < 1 else "end") for share in QUARTERS],
        gettext("share of the open items that the model labels"),
        [Line(LEFT, up(error), RIGHT, up(error), "ideal")],
        side=gettext("share of these labels that is wrong"),
        marks=marks,
        path=" ".join(f"{across(share)},{up(wrong)}" for share, wrong in [(0, 0), *places]),
    )
