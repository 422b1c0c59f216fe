"""What is true of every scale of points."""

FEW_POINTS = 3
"""On a scale of no more, the next point is another answer."""


def points_off(n_points: int) -> int:
    """How far a score may be off and count as right. On a long scale, people who see the same differ by a point."""
    return 1 if n_points > FEW_POINTS else 0
