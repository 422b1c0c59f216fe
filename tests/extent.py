"""How much is tried: enough by `make test`, all by `make test-long`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from typing import Any

# `scripts/check.py` sets it for `make test-long`.
ALL = os.environ.get("TRY_ALL") == "1"
FEW = 15


def examples(number: int) -> int:
    """Of a property, for Hypothesis."""
    return number if ALL else min(number, FEW)


def combinations(*axes: Sequence[Any]) -> list[tuple[Any, ...]]:
    """One value of each axis, for `parametrize`: all of them, or as many as show each two values of two axes together.

    For cases whose code decides by one value or by two, not by three.
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
    """The first of them: for cases that differ in nothing by which the code decides, or each of which takes seconds."""
    return list(cases) if ALL else list(cases)[:number]
