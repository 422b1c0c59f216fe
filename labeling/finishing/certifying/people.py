"""Errors of the people who audit: which wrong labels an audit does not see, and what that adds to a bound.

A label counts as wrong if the first person answers differently and further people do not settle on the model's label:
a disagreement is asked again until two people agree.
"""

from bisect import bisect_right

from scipy.special import bdtr, betaincinv


def chance_missed(error: float, coincidence: float, people: int | None = None) -> float:
    """Return the most probable share of wrong labels that an audit takes for right ones.

    error : float below 0.5, the share of a person's answers that are wrong (`upper_error`).
    coincidence : float, the probability that a person's wrong answer equals the model's wrong label:
        1 / (K - 1) if errors spread evenly over K classes, up to 1 if people and the model confuse the same classes.
    people : int, those who can be asked; None if a person is never asked twice about an item.

    The first person gives the model's label with probability b = error × coincidence. Otherwise two more answers have
    to give it before two give the right one: at most 3 b² / (1 - error)². If all people have answered, and the first
    did not settle it, a person who gave the model's label may be asked again and repeat it: b × error^(people - 2).
    """
    if not 0 <= error < 0.5 or not 0 <= coincidence <= 1:
        raise ValueError(f"The error must be in [0, 0.5) and the coincidence in [0, 1], not {error} and {coincidence}.")
    same = error * coincidence
    repeated = 0.0 if people is None or people < 2 else same * error ** (people - 2)
    return min(same + repeated + 3 * (same / (1 - error)) ** 2, 1.0)


def upper_error(wrong: int, answers: int, confidence: float = 0.95) -> float:
    """Return the upper end of Clopper and Pearson's one-sided interval of the share of wrong answers, from gold items.

    >>> round(upper_error(6, 200), 3)
    0.058
    """
    return 1.0 if wrong >= answers else float(betaincinv(wrong + 1, answers - wrong, confidence))


def most_wrong(seen: int, missed: float, risk: float) -> int:
    """Return the number that wrong labels exceed with a probability of at most `risk`, if an audit of all of them would
    see at most `seen`, and misses each independently with the probability `missed`, below 1.

    >>> most_wrong(14, 0.0, 0.0025), most_wrong(14, 0.003, 0.0025)
    (14, 15)
    """
    most = seen
    while missed and bdtr(seen, most + 1, 1 - missed) > risk:
        most += 1
    return most


def most_seen(wrong: int, missed: float, risk: float) -> int:
    """Return the largest `seen` for which `most_wrong` is at most `wrong`; -1 if none is, as if `missed` is 1."""
    if not missed:
        return max(wrong, -1)
    if missed >= 1:
        return -1
    return bisect_right(range(wrong + 1), risk, key=lambda seen: bdtr(seen, wrong + 1, 1 - missed)) - 1
