"""The reliability diagram: how often a model is right, by its confidence."""

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from labeling.insight.control_slice import Bin, Calibration
from labeling.web.charts.drawing import (
    LEFT,
    RIGHT,
    TOP,
    Drawing,
    Figure,
    Line,
    Mark,
    Scale,
    Text,
    plane,
    shares_from,
    upright,
)
from labeling.web.shared.words import count, interval, localized, number, percent

HEIGHT, BOTTOM = 260, 220
READING = _(
    "Each dot is a group of about equally many control items, which no model learns from. On the diagonal, "
    "confidence matches accuracy; below it, the model is too confident. Vertical lines are 95 % intervals."
)


def finding(calibration: Calibration) -> str:
    """Say in one sentence what the diagram shows. An error that chance can explain counts as none."""
    if calibration.ece <= calibration.chance:
        return gettext("Its confidence matches its accuracy, within the noise of this many items")
    sure, right = _exact(calibration.sure), _exact(calibration.right)
    if calibration.sure == calibration.right:
        return gettext("Its confidence does not match its accuracy")
    if calibration.sure > calibration.right:
        text = gettext("It is more confident than it should be: confidence %(sure)s, accuracy %(right)s")
    else:
        text = gettext("It is less confident than it should be: confidence %(sure)s, accuracy %(right)s")
    return text % {"sure": sure, "right": right}


def note(calibration: Calibration) -> str:
    """Return the calibration errors with their meaning, and how to read the diagram."""
    errors = gettext(
        "Expected calibration error: %(ece)s as measured. On %(items)s, chance alone makes up to "
        "%(chance)s. Without chance, it is with 95 %% certainty between %(low)s and %(high)s. With "
        "bins of equal width %(equal)s; Brier score %(brier)s."
    ) % {
        "ece": _exact(calibration.ece),
        "items": count(calibration.n, "item"),
        "chance": _exact(calibration.chance),
        "low": _exact(calibration.low),
        "high": _exact(calibration.high),
        "equal": _exact(calibration.ece_equal_width),
        "brier": localized(f"{calibration.brier:.3f}"),
    }
    return f"{errors} {gettext(READING)}"


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
            gettext("Confidence"), gettext("Control items"), gettext("Mean confidence"), gettext("Right"),
            gettext("95 % interval"),
        ],
        rows=[_bin_row(part) for part in reversed(calibration.bins)],
    )  # fmt: skip


def _bin_row(part: Bin) -> list[str]:
    right = part.right
    return [
        interval(part.low, part.high),
        number(part.n),
        _exact(part.sure),
        _exact(right.value or 0),
        interval(right.low, right.high),
    ]


def _draw(calibration: Calibration) -> Drawing:
    # Both axes have the same scale, so that perfect calibration is the diagonal.
    floor = int(min(0.9, *(min(part.sure, part.right.low) for part in calibration.bins)) * 10) / 10
    across, up = Scale(floor, 1, LEFT, RIGHT), Scale(floor, 1, BOTTOM, TOP)
    shares = shares_from(floor)
    return plane(
        HEIGHT,
        [(up(share), percent(share)) for share in shares],
        [Text(across(share), BOTTOM + 18, percent(share), "middle" if share < 1 else "end") for share in shares],
        gettext("confidence"),
        [Line(LEFT, BOTTOM, RIGHT, TOP, "ideal")],
        side=gettext("accuracy"),
        marks=[_mark(part, across, up) for part in calibration.bins],
    )


def _mark(part: Bin, across: Scale, up: Scale) -> Mark:
    right = part.right
    share = right.value or 0
    title = gettext("%(items)s: %(sure)s sure on average, %(right)s right") % {
        "items": count(part.n, "item"),
        "sure": _exact(part.sure),
        "right": _exact(share),
    }
    return upright(across(part.sure), up, share, right.low, right.high, title)


def _exact(share: float) -> str:
    return percent(share, exact=True)
