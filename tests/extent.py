"""How many cases tests try: a selection in `make test`, all in `make test-long`."""

import itertools
import os
from collections.abc import Iterable, Sequence
from typing import Any

# `scripts/check.py` sets it for `make test-long`.
ALL = os.environ.get("TRY_ALL") == "1"
FEW = 10


def examples(number: int) -> int:
    """Return the number of Hypothesis examples of a property."""
    return number if ALL else min(number, FEW)


def combinations(*axes: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return combinations of one value per axis for `parametrize`: all, or enough to cover each pair of values.

    For cases whose code depends on one or two of the values at a time.
    """
    left = [tuple(case) for case in itertools.product(*(range(len(axis)) for axis in axes))]
    chosen = left if ALL else []
    unseen = {pair for case in left for pair in itertools.combinations(enumerate(case), 2)} if not ALL else set()
    while unseen:
        case = max(left, key=lambda case: sum(pair in unseen for pair in itertools.combinations(enumerate(case), 2)))
        unseen.difference_update(itertools.combinations(enumerate(case), 2))
        chosen.append(case)
    return [tuple(axis[at] for axis, at in zip(axes, case, strict=True)) for case in chosen]


def some(cases: Iterable[Any], number: int = 1) -> list[Any]:
    """Return the first of the cases, or all in `make test-long`: for slow cases, or cases with the same code path."""
    return list(cases) if ALL else list(cases)[:number]
