"""Which steps a worker may begin, and which one has to make room, when projects want more steps than it has lanes.

A step of another project must never wait for the end of a long one. So one lane is kept for steps that may be short: a
step that was moved out of it because it is long waits for one of the others. There, long steps take turns, and each
turn is twice as long as the one before: at most half of the work is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# A step that has run for this long is long.
QUICK_SECONDS = 60.0
# Why a step waits that had to make room.
MOVED = "It made room for other projects, and goes on when a place is free."
# The first turn of a long step.
TURN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A running step: its job's key, how long it has run, and how often it was moved before."""

    job: int
    seconds: float
    moved: int = 0
    fixed: bool = False
    """It must not be moved: to begin again would cost more than time."""


def may_begin_long(free: int, lanes: int) -> bool:
    """Whether a step that was moved before may begin: the last free lane is kept for others."""
    return free >= min(2, lanes)


def to_move(running: Sequence[Turn], lanes: int, *, new_waits: bool, long_waits: bool) -> Turn | None:
    """The step that has to make room, if any. `new_waits`: a step waits that was never moved; `long_waits`: one that
    was.
    """
    free = lanes - len(running)
    if lanes < 2 or free > 1:
        return None
    movable = [turn for turn in running if not turn.fixed]
    if new_waits and not free:
        latest = min(movable, key=lambda turn: turn.seconds, default=None)
        if latest is not None and latest.seconds >= QUICK_SECONDS:
            return latest
    if long_waits:
        over = [turn for turn in movable if turn.seconds >= TURN_SECONDS * 2**turn.moved]
        return max(over, key=lambda turn: turn.seconds, default=None)
    return None
