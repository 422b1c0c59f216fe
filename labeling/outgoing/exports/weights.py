"""Weights of labeled control items: the number of pool items that each one represents.

Batches take their control slices from the front of one permutation. As long as the pool does not grow, the labeled
control items are a uniform sample of it. Later imports add items with keys of their own, and the front ones are drawn
first. Until these have caught up, the earlier items have been drawn up to a higher key than the later ones, and each
represents fewer items. docs/decisions/06-control-slice.md has the reasons.
"""

import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection

from labeling.models import Project
from labeling.storage.db.statements import rows


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
    found = project.items.imported().order_by().values_list("row", flat=True).iterator(chunk_size=5000)
    return array("q", sorted(row for row in found if row is not None))


def weights_of(project: Project, imported: Sequence[int] = ()) -> Weights:
    """Compute the current weights. `imported`: the result of `imported_rows`. Takes one query."""
    drawn: dict[int, Drawn] = {}
    labeled = array("q")
    for number, pool_rows, key, row in rows(_control_tasks(), [project.pk]):
        if pool_rows is not None:
            drawn[number] = Drawn(pool_rows, max(key, drawn[number].last_key) if number in drawn else key)
        if row is not None:
            labeled.append(row)
    ends = level_ends([each for _, each in sorted(drawn.items())])
    drawable = [end - bisect_left(imported, end) for end in [0, *ends]]
    sizes = [end - start for start, end in itertools.pairwise(drawable)]
    counts = np.diff(np.searchsorted(np.sort(labeled), [0, *ends])).tolist()
    return Weights(ends, [size / n if n else None for size, n in zip(sizes, counts, strict=True)])


def _control_tasks() -> str:
    """Return the statement for a project's control tasks: the batch's number, the rows of its pool, the item's key, and
    the item's row if its label measures models, else null.
    """
    # OFFSET keeps PostgreSQL from reading the whole pool for a few items of it.
    item = "labeling_item item ON item.id = task.item_id"
    if connection.vendor == "postgresql":
        item = "LATERAL (SELECT * FROM labeling_item WHERE id = task.item_id OFFSET 0) item ON true"
    return f"""
        SELECT batch.number, batch.pool_rows, item.control_key,
            CASE WHEN item.label IS NOT NULL AND NOT task.prompted THEN item."row" END
        FROM labeling_batch batch JOIN labeling_task task ON task.batch_id = batch.id JOIN {item}
        WHERE batch.project_id = %s AND task.is_control"""
