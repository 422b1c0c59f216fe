"""The distance in points by which a score may be wrong."""

FEW_POINTS = 3
"""On a scale of at most so many points, the next point is a different answer."""


def points_off(n_points: int) -> int:
    """Return the points by which a score may be off and still count as right. On a long scale, people differ by a
    point.
    """
    return 1 if n_points > FEW_POINTS else 0
