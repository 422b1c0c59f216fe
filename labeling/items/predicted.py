"""Filter control items by the prediction of a model version: the cells of its confusion matrix link to these items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from labeling.arrays.files import ProjectFiles
from labeling.database import among
from labeling.models import ModelVersion, Project
from labeling.models.items import ItemQuerySet


@dataclass(frozen=True, slots=True)
class Predicted:
    """The rows of the labeled control items that the version predicts to be of a class."""

    version: ModelVersion
    rows: list[int]

    def among(self, items: ItemQuerySet) -> ItemQuerySet:
        """The items among `items` with this prediction."""
        if connection.vendor != "postgresql":
            return items.filter(row__in=among(self.rows))
        # PostgreSQL hashes an array. Of a subquery it does not know the size, and without statistics of the table it
        # may scan the whole subquery for each item.
        sql = "labeling_item.row = ANY(%s::bigint[])"
        return items.filter(RawSQL(sql, [self.rows], output_field=BooleanField()))  # noqa: S611  a constant, and values


def predicted_as(project: Project, version: ModelVersion, answer: int) -> Predicted:
    """The labeled control items that `version` predicts to be `answer`. One query and one file.

    `answer` is the index of a class, or for `verify` 1 for yes and 0 for no. Raises `LookupError` if the predictions of
    the version are not stored.
    """
    rows = np.sort(np.array(project.items.measuring().order_by().values_list("row", flat=True), np.int64))
    best = ProjectFiles(project).predictions(version, "best", rows)
    if best is None:
        raise LookupError(f"Version {version.number} has no predictions yet. It makes them when it picks a batch.")
    return Predicted(version, rows[: len(best)][best == answer].tolist())
