"""Numbers and times as people say them. Values in, words out."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from labeling.insight.certainty import ENOUGH

NBSP = "\u00a0"
MINUTE, HOUR, DAY = 60, 3600, 86_400


def number(n: int) -> str:
    """1,797"""
    return f"{n:,}"


def figure(value: float) -> str:
    """0.9, 1,000, 0.000001: up to six places, none that says nothing."""
    text = f"{value:,.6f}"
    return text.rstrip("0").rstrip(".")


def count(n: int, one: str, many: str = "") -> str:
    """1 item, 1,797 items"""
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def percent(share: float, *, exact: bool = False) -> str:
    """93.4 %, 94 %; `exact`, for columns: 94.0 %. A share that is not quite nothing or all is never shown as such."""
    text = f"{100 * share:.1f}"
    if text == "100.0" and share < 1:
        text = "99.9"
    if text == "0.0" and share > 0:
        text = "< 0.1"
    return f"{text if exact else text.removesuffix('.0')}{NBSP}%"


TOO_FEW = "not enough data yet to tell"


def accuracy(share: float, n: int, of: str = "control item") -> str:
    """94.0 %; of few items no figure, which would look sure: "not enough data yet to tell: 3 control items"."""
    return percent(share, exact=True) if n >= ENOUGH else f"{TOO_FEW}: {count(n, of)}"


def part(right: int, n: int) -> str:
    """94.0 %; of few items, 4 of 5; of none, –"""
    if n >= ENOUGH:
        return percent(right / n, exact=True)
    return f"{number(right)} of {number(n)}" if n else "–"


def money(amount: float, currency: str) -> str:
    """EUR 12.50, EUR 1,250: cents only where they matter."""
    text = f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"
    return f"{currency}{NBSP}{text}" if currency else text


def duration(seconds: float) -> str:
    """0.8 s, 12 s, 3 min, 2 h 5 min, 3 days"""
    if seconds < 9.95:
        return f"{seconds:.1f}{NBSP}s"
    if seconds < 90:
        return f"{seconds:.0f}{NBSP}s"
    minutes = round(seconds / MINUTE)
    if minutes < 60:
        return f"{minutes}{NBSP}min"
    if seconds < DAY:
        minutes_part = f" {minutes % 60}{NBSP}min" if minutes % 60 else ""
        return f"{minutes // 60}{NBSP}h{minutes_part}"
    return count(round(seconds / DAY), "day")


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: how long ago it was, and exactly when."""

    ago: str
    exact: str
    iso: str


def moment(at: datetime.datetime | None, now: datetime.datetime) -> Moment | None:
    """None stays None."""
    if at is None:
        return None
    return Moment(ago=_distance((now - at).total_seconds()), exact=f"{at:%Y-%m-%d %H:%M:%S} UTC", iso=at.isoformat())


def _distance(seconds: float) -> str:
    if seconds < 0:
        return f"in {_rough(-seconds)}"
    return "just now" if seconds < 5 else f"{_rough(seconds)} ago"


def _rough(seconds: float) -> str:
    """The largest unit alone is as much as people want to know."""
    if seconds < 90:
        return f"{seconds:.0f}{NBSP}s"
    if seconds < 90 * MINUTE:
        return f"{seconds / MINUTE:.0f}{NBSP}min"
    if seconds < 36 * HOUR:
        return f"{seconds / HOUR:.0f}{NBSP}h"
    return count(round(seconds / DAY), "day")
