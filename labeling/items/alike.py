"""Items that are most like one of them, by the arrays of the pool.

The embeddings that the pool was clustered by are asked first: they say what the network has learned to tell apart.
Before there are any, and for items that came later, the encoder's features are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.db.models import Case, IntegerField, When

from labeling.arrays.damage import enqueue_rebuild, name_of, note
from labeling.arrays.files import ProjectFiles
from labeling.arrays.nearest import nearest
from labeling.disk import FileDamaged
from labeling.models import Clustering, Item, Project
from labeling.models.items import ItemQuerySet

# Four pages of them; farther away little is alike.
MOST = 240


@dataclass(frozen=True, slots=True)
class Alike:
    """The items nearest to `item`, by id, the most alike first; `compared` items were looked at."""

    item: Item
    ids: list[int]
    compared: int

    def among(self, items: ItemQuerySet) -> ItemQuerySet:
        """Those of these items that are near, with their `nearness`: 0 for the nearest."""
        order = Case(*(When(pk=pk, then=place) for place, pk in enumerate(self.ids)), output_field=IntegerField())
        return items.filter(pk__in=self.ids).annotate(nearness=order)

    def place(self, pk: int) -> int | None:
        return self.ids.index(pk) if pk in self.ids else None


def alike(project: Project, item: Item) -> Alike:
    """What is most like this item of the project. Raises `LookupError` if nothing is known of it."""
    matrix = None if item.row is None else _matrix(project, item.row)
    if matrix is None or item.row is None:
        raise LookupError("It is not known yet what is like this item: it has to be encoded first.")
    near = nearest(matrix, item.row, MOST)
    ids = dict(project.items.filter(row__in=near.rows).values_list("row", "pk"))
    return Alike(item, [ids[row] for row in near.rows if row in ids], near.compared)


def _matrix(project: Project, row: int) -> np.ndarray | None:
    """The rows that this one can be compared with; None if its own is not there."""
    files = ProjectFiles(project)
    clustering = Clustering.objects.filter(project=project).select_related("embedded_by").first()
    if clustering is not None:
        # None where it was removed by a new clustering, which has not ended yet.
        embeddings = files.answers(clustering.embedded_by, "embeddings")
        if embeddings is not None and row < len(embeddings):
            return embeddings
    features = files.stored_features()
    if features is None or row >= len(features):
        return None
    try:
        return features[:]
    except FileDamaged as damage:
        note(project, name_of(project, damage.path), damage.problem)
        enqueue_rebuild(project)
        return None
