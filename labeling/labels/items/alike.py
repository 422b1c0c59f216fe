"""Find the items most like a given item, by the arrays of the pool.

Items are compared by the embeddings that the pool was clustered by, which tell the classes apart. Before the first
clustering, and for items that were added after it, they are compared by the encoder's features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.db.models import Case, IntegerField, When
from django.utils.translation import gettext

from labeling.labels.items.nearest import nearest
from labeling.models import Clustering, Item, Project
from labeling.models.items import ItemQuerySet
from labeling.storage.arrays.damage import enqueue_rebuild, name_of, note_damage
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged

# Four pages of the list; items that are farther away are hardly alike.
MOST = 240


@dataclass(frozen=True, slots=True)
class Alike:
    """The ids of the items nearest to `item`, the most alike first, among `compared` items."""

    item: Item
    ids: list[int]
    compared: int

    def among(self, items: ItemQuerySet) -> ItemQuerySet:
        """Return the near items among `items`, with the annotation `nearness`, 0 for the nearest item."""
        order = Case(*(When(pk=pk, then=place) for place, pk in enumerate(self.ids)), output_field=IntegerField())
        return items.filter(pk__in=self.ids).annotate(nearness=order)

    def place(self, pk: int) -> int | None:
        return self.ids.index(pk) if pk in self.ids else None


def alike(project: Project, item: Item) -> Alike:
    """Return the items of the project that are most like `item`. Raises `LookupError` if `item` is not encoded yet."""
    matrix = None if item.row is None else _matrix(project, item.row)
    if matrix is None or item.row is None:
        raise LookupError(gettext("It is not known yet what is like this item: it has to be encoded first."))
    near = nearest(matrix, item.row, MOST)
    ids = dict(project.items.filter(row__in=near.rows).values_list("row", "pk"))
    return Alike(item, [ids[row] for row in near.rows if row in ids], near.compared)


def _matrix(project: Project, row: int) -> np.ndarray | None:
    """Return the embeddings or features to compare this row with, (n, d); None if neither array has the row."""
    files = ProjectFiles(project)
    clustering = Clustering.objects.filter(project=project).select_related("embedded_by").first()
    if clustering is not None:
        # None while a new clustering runs, which removes the embeddings first.
        embeddings = files.answers(clustering.embedded_by, "embeddings")
        if embeddings is not None and row < len(embeddings):
            return embeddings
    features = files.stored_features()
    if features is None or row >= len(features):
        return None
    try:
        return features[:]
    except FileDamaged as damage:
        note_damage(project, name_of(project, damage.path), damage.problem)
        enqueue_rebuild(project)
        return None
