"""How often a model is right against how sure it was: the reliability diagram."""

from __future__ import annotations

from labeling.insight.control_slice import Bin, Calibration
from labeling.web.charts.drawing import Column, Drawing, Figure, Line, Mark, Text
from labeling.web.charts.scales import Scale, shares_from
from labeling.web.shared.words import count, number, percent

WIDTH, HEIGHT = 380, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 366, 12, 220
READING = (
    "The dots stand for about equally many control items, which it never learned from. On the slanted line it is right "
    "as often as it says, below it less often. The upright lines are 95 % intervals."
)


def finding(found: Calibration) -> str:
    """What the diagram shows, in one sentence: an error that chance alone may have made is none."""
    if found.ece <= found.chance:
        return "It is right as often as it says, as far as so many items can tell"
    sure, right = _exact(found.sure), _exact(found.right)
    if found.sure == found.right:
        return "It is not right as often as it says"
    return f"It is {'surer' if found.sure > found.right else 'less sure'} than it should be: {sure} sure, {right} right"


def note(found: Calibration) -> str:
    """The errors with what they are worth, and how to read the diagram."""
    return (
        f"Expected calibration error {_exact(found.ece)} as measured; on {count(found.n, 'item')} chance alone makes "
        f"up to {_exact(found.chance)}. Without chance it is, with 95 % certainty, between {_exact(found.low)} and "
        f"{_exact(found.high)}. With bins of equal width {_exact(found.ece_equal_width)}; Brier score "
        f"{found.brier:.3f}. {READING}"
    )


def reliability_diagram(found: Calibration | None) -> Figure | None:
    """The diagram with its table, the surest first; None if nothing is known."""
    if found is None:
        return None
    return Figure(
        name="reliability",
        finding=finding(found),
        note=note(found),
        drawing=_draw(found),
        columns=[
            Column("Sure by"),
            Column("Control items"),
            Column("Sure on average"),
            Column("Right"),
            Column("95 % interval"),
        ],
        rows=[_row(part) for part in reversed(found.bins)],
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


def _draw(found: Calibration) -> Drawing:
    # Both ways have the same scale, so that where it is right as often as it says is a diagonal.
    floor = int(min(0.9, *(min(part.sure, part.right.low) for part in found.bins)) * 10) / 10
    across, up = Scale(floor, 1, LEFT, RIGHT), Scale(floor, 1, BOTTOM, TOP)
    shares = shares_from(floor)
    return Drawing(
        width=WIDTH,
        height=HEIGHT,
        lines=[
            *(Line(LEFT, up(share), RIGHT, up(share)) for share in shares),
            Line(LEFT, BOTTOM, RIGHT, TOP, "ideal"),
        ],
        marks=[_mark(part, across, up) for part in found.bins],
        texts=[
            *(Text(LEFT - 6, up(share) + 4, percent(share), "end") for share in shares),
            *(Text(across(share), BOTTOM + 18, percent(share), "middle" if share < 1 else "end") for share in shares),
            Text(RIGHT, HEIGHT - 5, "how sure it was; upwards, how often it was right", "end"),
        ],
    )


def _mark(part: Bin, across: Scale, up: Scale) -> Mark:
    right = part.right
    x, share = across(part.sure), right.value or 0
    title = f"{count(part.n, 'item')}: {_exact(part.sure)} sure on average, {_exact(share)} right"
    return Mark(x=x, y=up(share), x1=x, y1=up(right.low), x2=x, y2=up(right.high), title=title)


def _exact(share: float) -> str:
    return percent(share, exact=True)
