"""Which control items a version predicts to be of a class: what the cells of its confusion matrix open."""

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
        """Those of these items that are predicted so."""
        if connection.vendor != "postgresql":
            return items.filter(row__in=among(self.rows))
        # An array is hashed. The size of a subquery is not known: where a table has no statistics yet, PostgreSQL walks
        # through all of it for each item.
        sql = "labeling_item.row = ANY(%s::bigint[])"
        return items.filter(RawSQL(sql, [self.rows], output_field=BooleanField()))  # noqa: S611  a constant, and values


def predicted_as(project: Project, version: ModelVersion, answer: int) -> Predicted:
    """The items that models are measured on and that this one takes for `answer`: a class's index, or for `verify` 1
    for yes and 0 for no. One query and one file. Raises `LookupError` if its predictions are not stored.
    """
    rows = np.sort(np.array(project.items.measuring().order_by().values_list("row", flat=True), np.int64))
    best = ProjectFiles(project).predictions(version, "best", rows)
    if best is None:
        raise LookupError(f"Version {version.number} has no predictions yet. It makes them when it picks a batch.")
    return Predicted(version, rows[: len(best)][best == answer].tolist())
