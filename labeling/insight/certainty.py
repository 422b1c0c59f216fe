"""How well a share is known from so many items."""

from __future__ import annotations

from models_store import metrics

# The share of which an interval is widest: what to expect as long as nothing is known.
UNKNOWN = 0.5
ENOUGH = 20
"""Fewer items than these tell nothing yet: no share of them is printed as a figure."""


def half_width(n: int, share: float | None) -> float | None:
    """Half of the 95 % interval of a share of which `n` items tell, if it turns out as `share`; None for no item."""
    if n <= 0:
        return None
    low, high = metrics.wilson(round((UNKNOWN if share is None else share) * n), n)
    return (high - low) / 2


def interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share: (0, 1) for no item."""
    return metrics.wilson(successes, n)
