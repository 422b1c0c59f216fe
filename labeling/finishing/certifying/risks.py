"""Split a risk, so that all proofs of a project together are false with at most this probability."""

from __future__ import annotations

FIRST_ATTEMPT = 2 / 3


def of_attempt(risk: float, attempt: int) -> float:
    """Return the risk of the `attempt`-th audit of a project, counted from 1: the later, the less.

    A further audit, with another model, target or sample, is another chance for a false proof. The risks of all
    attempts sum to `risk`.

    >>> [round(of_attempt(0.05, attempt), 4) for attempt in (1, 2, 3)]
    [0.0333, 0.0111, 0.0037]
    """
    return risk * FIRST_ATTEMPT * (1 - FIRST_ATTEMPT) ** (attempt - 1)


def of_family(risk: float, families: int) -> float:
    """Return the risk of each of several audits side by side, as of classes, so that all their proofs hold together
    (Bonferroni). With the whole risk each, every class's statement holds by itself, but not all of them together.
    """
    return risk / families
