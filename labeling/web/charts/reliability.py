"""The reliability diagram: how often a model is right, by its confidence."""

from __future__ import annotations

from labeling.insight.control_slice import Bin, Calibration
from labeling.web.charts.drawing import Column, Drawing, Figure, Line, Mark, Text
from labeling.web.charts.scales import Scale, shares_from
from labeling.web.shared.words import count, number, percent

WIDTH, HEIGHT = 380, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 366, 12, 220
READING = (
    "Each dot is a group of about equally many control items, which no model learns from. On the diagonal, "
    "confidence matches accuracy; below it, the model is too confident. Vertical lines are 95 % intervals."
)


def finding(calibration: Calibration) -> str:
    """Say in one sentence what the diagram shows. An error that chance can explain counts as none."""
    if calibration.ece <= calibration.chance:
        return "Its confidence matches its accuracy, within the noise of this many items"
    sure, right = _exact(calibration.sure), _exact(calibration.right)
    if calibration.sure == calibration.right:
        return "Its confidence does not match its accuracy"
    surer = "more confident" if calibration.sure > calibration.right else "less confident"
    return f"It is {surer} than it should be: confidence {sure}, accuracy {right}"


def note(calibration: Calibration) -> str:
    """Return the calibration errors with their meaning, and how to read the diagram."""
    return (
        f"Expected calibration error: {_exact(calibration.ece)} as measured. On {count(calibration.n, 'item')}, "
        f"chance alone makes up to {_exact(calibration.chance)}. Without chance, it is with 95 % certainty between "
        f"{_exact(calibration.low)} and {_exact(calibration.high)}. With bins of equal width "
        f"{_exact(calibration.ece_equal_width)}; Brier score {calibration.brier:.3f}. {READING}"
    )


def reliability_diagram(calibration: Calibration | None) -> Figure | None:
    """Draw the diagram, with a table from the highest confidence down; None without figures."""
    if calibration is None:
        return None
    return Figure(
        name="reliability",
        finding=finding(calibration),
        note=note(calibration),
        drawing=_draw(calibration),
        columns=[
            Column("Sure by"),
            Column("Control items"),
            Column("Sure on average"),
            Column("Right"),
            Column("95 % interval"),
        ],
        rows=[_row(part) for part in reversed(calibration.bins)],
    )


def _row(part: Bin) -> list[str]:
    right = part.right
    return [
        f"{_exact(part.low)} to {_exact(part.high)}",
        number(part.n),
        _exact(part.sure),
        _exact(right.value or 0),
        f"{_exact(right.low)} to {_exact(right.high)}",
    ]


def _draw(calibration: Calibration) -> Drawing:
    # Both axes have the same scale, so that perfect calibration is the diagonal.
    floor = int(min(0.9, *(min(part.sure, part.right.low) for part in calibration.bins)) * 10) / 10
    across, up = Scale(floor, 1, LEFT, RIGHT), Scale(floor, 1, BOTTOM, TOP)
    shares = shares_from(floor)
    return Drawing(
        width=WIDTH,
        height=HEIGHT,
        lines=[
            *(Line(LEFT, up(share), RIGHT, up(share)) for share in shares),
            Line(LEFT, BOTTOM, RIGHT, TOP, "ideal"),
        ],
        marks=[_mark(part, across, up) for part in calibration.bins],
        texts=[
            *(Text(LEFT - 6, up(share) + 4, percent(share), "end") for share in shares),
            *(Text(across(share), BOTTOM + 18, percent(share), "middle" if share < 1 else "end") for share in shares),
            Text(RIGHT, HEIGHT - 5, "confidence; vertically, accuracy", "end"),
        ],
    )


def _mark(part: Bin, across: Scale, up: Scale) -> Mark:
    right = part.right
    x, share = across(part.sure), right.value or 0
    title = f"{count(part.n, 'item')}: {_exact(part.sure)} sure on average, {_exact(share)} right"
    return Mark(x=x, y=up(share), x1=x, y1=up(right.low), x2=x, y2=up(right.high), title=title)


def _exact(share: float) -> str:
    return percent(share, exact=True)
