"""Find the items most like a given item, by the arrays of the pool.

Items are compared by the embeddings that the pool was clustered by, which tell the classes apart. Before the first
clustering, and for items that were added after it, they are compared by the encoder's features.
"""

from dataclasses import dataclass

import numpy as np
from django.db.models import Case, IntegerField, When
from django.utils.translation import gettext

from labeling.models import Clustering, Item, Project
from labeling.models.items import ItemQuerySet
from labeling.storage.arrays.damage import enqueue_rebuild, name_of, note_damage
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.disk.files import FileDamaged

# Four pages of the list; items that are farther away are hardly alike.
MOST = 240
# Rows are read in blocks that fit a processor's cache.
BLOCK_NUMBERS = 1 << 20
# A million rows of 64 numbers take some tens of milliseconds. Of a larger matrix, evenly spread blocks are read.
MOST_NUMBERS = 64_000_000


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
        raise LookupError(gettext("Similar items cannot be found yet: this item is not encoded."))
    near, compared = nearest(matrix, item.row, MOST)
    ids = dict(project.items.filter(row__in=near).values_list("row", "pk"))
    return Alike(item, [ids[row] for row in near if row in ids], compared)


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


def nearest(matrix: np.ndarray, row: int, k: int) -> tuple[list[int], int]:
    """Find the rows of a matrix with the largest cosine to one row. Takes O(n d) time up to `MOST_NUMBERS` numbers.

    Parameters
    ----------
    matrix : ndarray of shape (n, d), float
        May be a memory map: the function holds one block at a time, and reads at most about `MOST_NUMBERS` numbers.
    row : int
        The row to compare with; not part of the result.
    k : int
        The most rows to return. Rows with the same cosine come in ascending order.

    Returns
    -------
    list of int, int
        The rows, the most similar first, and the number of rows that were compared.
    """
    target = np.asarray(matrix[row], np.float32)
    size = max(1, BLOCK_NUMBERS // max(1, matrix.shape[1]))
    rows, likeness, compared = np.empty(0, np.int64), np.empty(0, np.float32), 0
    for start in _starts(matrix, size):
        block = np.asarray(matrix[start : start + size], np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
        here = block @ target / np.where(lengths > 0, lengths, 1)
        compared += len(block)
        rows = np.concatenate([rows, np.arange(start, start + len(block))])
        likeness = np.concatenate([likeness, here])
        if len(rows) > k + 1:  # one more, for the row itself
            # Ties by row number, so that consecutive pages agree.
            least = np.partition(likeness, -k - 1)[-k - 1]
            kept = np.flatnonzero(likeness >= least)
            kept = kept[np.lexsort((rows[kept], -likeness[kept]))][: k + 1]
            rows, likeness = rows[kept], likeness[kept]
    order = np.lexsort((rows, -likeness))
    return [int(each) for each in rows[order] if each != row][:k], compared


def _starts(matrix: np.ndarray, size: int) -> list[int]:
    """Return the first rows of the blocks to read: all blocks of `size` rows, or evenly spread ones of a large
    matrix.
    """
    starts = np.arange(0, len(matrix), size)
    affordable = max(1, MOST_NUMBERS // (size * max(1, matrix.shape[1])))
    if len(starts) > affordable:
        starts = starts[np.linspace(0, len(starts) - 1, affordable).round().astype(int)]
    return [int(start) for start in starts]
