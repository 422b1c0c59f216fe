"""Confidence intervals of shares."""

from typing import Annotated

from models_store import metrics

Proportion = Annotated[float, (0, 1)]
"""A number with the bounds that the API publishes."""
# The share with the widest interval: the assumption while no share is known.
UNKNOWN = 0.5
ENOUGH = 20
"""The least number of items for a share: pages print no figure from fewer."""


def half_width(n: int, share: float | None) -> float | None:
    """Return half the width of the 95 % interval of `share`, if `n` items estimate it; None for no items."""
    if n <= 0:
        return None
    low, high = metrics.wilson(round((UNKNOWN if share is None else share) * n), n)
    return (high - low) / 2
