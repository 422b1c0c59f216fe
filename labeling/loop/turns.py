"""Decide which steps a worker may begin, and which step must make room, if more steps are due than the worker has
lanes.

A step must not wait for the end of another project's long step. So one lane is kept for steps that may be short. A step
that turns out to be long is moved out of this lane and waits for another lane. In the other lanes, long steps take
turns. A moved step starts from its beginning, so each of its turns is twice as long as the one before: at most half of
the work is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# A step that has run for this long counts as long.
QUICK_SECONDS = 60.0
# The reason on the job of a step that had to make room.
MOVED = "It made room for other projects, and goes on when a place is free."
# The first turn of a long step.
TURN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A running step: its job's id, its running time in seconds, and how often it was moved before."""

    job: int
    seconds: float
    moved: int = 0
    fixed: bool = False
    """Whether the step must not be moved, because a new start costs more than time."""


def may_begin_long(free: int, lanes: int) -> bool:
    """Return whether a step that was moved before may begin. The last free lane is kept for other steps."""
    return free >= min(2, lanes)


def to_move(running: Sequence[Turn], lanes: int, *, new_waits: bool, long_waits: bool) -> Turn | None:
    """Return the running step that must make room, if any.

    `new_waits`: whether a step waits that was never moved. `long_waits`: whether a step waits that was moved before, or
    that may not begin in the last free lane.
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
