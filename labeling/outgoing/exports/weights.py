"""Weights of labeled control items: the number of pool items that each one represents.

Batches take their control slices from the front of one permutation. As long as the pool does not grow, the labeled
control items are a uniform sample of it. Later imports add items with keys of their own, and the front ones are drawn
first. Until these have caught up, the earlier items have been drawn up to a higher key than the later ones, and each
represents fewer items. docs/decisions/0008-weights-of-control-items.md has the reasons.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Max, Q

from labeling.models import Project, Task


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch's control slice: the number of pool rows that it was drawn from, and its highest key."""

    pool_rows: int
    last_key: float


def level_ends(drawn: Sequence[Drawn]) -> list[int]:
    """Divide the rows of the pool into levels, each drawn up to a key of its own; return the end of each level,
    ascending.

    An item was drawn if its key lies below the highest key of any batch whose pool had the item's row. So levels end at
    the batches with a higher key than all later ones.

    >>> level_ends([Drawn(100, 0.02), Drawn(100, 0.04)])
    [100]
    >>> level_ends([Drawn(100, 0.04), Drawn(500, 0.01)])
    [100, 500]
    """
    ends: list[int] = []
    furthest = -1.0
    for each in reversed(drawn):
        if each.last_key > furthest:
            furthest = each.last_key
            ends.append(each.pool_rows)
    return sorted(set(ends))


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights by level: its items for each labeled control item; None for a level without one."""

    ends: list[int]
    values: list[float | None]

    def of(self, row: int | None) -> float | None:
        """Return the weight of a labeled control item, by its row in the pool's matrices."""
        if row is None:
            return None
        level = bisect_right(self.ends, row)
        return self.values[level] if level < len(self.values) else None


def imported_rows(project: Project) -> Sequence[int]:
    """Return the rows of items imported with a label, ascending; no control slice contains them. Takes one query."""
    rows = project.items.imported().order_by().values_list("row", flat=True).iterator(chunk_size=5000)
    return array("q", sorted(row for row in rows if row is not None))


def weights_of(project: Project, imported: Sequence[int] = ()) -> Weights:
    """Compute the current weights. `imported`: the result of `imported_rows`. Takes two queries."""
    control = Task.objects.filter(batch__project=project, is_control=True)
    drawn = control.filter(batch__pool_rows__isnull=False).order_by("batch__number").values_list("batch__number")
    levels = drawn.annotate(rows=Max("batch__pool_rows"), key=Max("item__control_key"))
    ends = level_ends([Drawn(rows, key) for _, rows, key in levels])
    if not ends:
        return Weights([], [])
    starts = [0, *ends[:-1]]
    counts = control.filter(prompted=False, item__label__isnull=False).aggregate(
        **{
            f"level_{place}": Count("pk", filter=Q(item__row__gte=start, item__row__lt=end))
            for place, (start, end) in enumerate(zip(starts, ends, strict=True))
        }
    )
    drawable = [end - bisect_left(imported, end) for end in [0, *ends]]
    sizes = [end - start for start, end in itertools.pairwise(drawable)]
    labeled = [counts[f"level_{place}"] for place in range(len(ends))]
    return Weights(ends, [size / n if n else None for size, n in zip(sizes, labeled, strict=True)])
