"""A cheap text for each row of an export. A row is read again only if its text has changed.

A million rows take most of a minute to read whole, their stamps a few seconds. Each change of a label also changes the
time at which the item was labeled, so the stamp of an answered item is that time. Answers that leave a label as it is
have times of their own.
"""

from __future__ import annotations

import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from labeling.models import Project
from labeling.outgoing.exports.choice import Choice
from labeling.outgoing.exports.chosen import chosen_copies, chosen_labels, chosen_tasks
from labeling.outgoing.layers import places_in
from labeling.storage.db.statements import rows, stored_time

# A transaction that was open when a version was read may commit rows with times before that.
OPEN_FOR = datetime.timedelta(minutes=10)


class Stamps(NamedTuple):
    """The rows of an export by item, ascending, (N,) each. A row without stamp may change at any time."""

    items: np.ndarray
    texts: pa.Array

    def of(self, items: np.ndarray) -> pa.Array:
        """Return the texts of these items (M,); None for those without a row."""
        places = places_in(self.items, items)
        return self.texts.take(pa.array(places, mask=places < 0))


def stamps_of(project: Project, choice: Choice) -> Stamps:
    """Return the stamps of all rows of the export. Takes one query to three."""
    tables, condition, values = chosen_tasks(project, choice)
    stamp = "CAST(item.labeled_at AS text) || COALESCE(' ' || CAST(item.label_probability AS text), '')"
    found = rows(f"SELECT task.item_id, {stamp} FROM {tables} WHERE {condition}", values)  # noqa: S608  constants
    copies = chosen_copies(project, choice).values_list("item", "batch", "batch__copy_radius", "of__labeled_at")
    found += [(item, f"{batch} {radius} {at}") for item, batch, radius, at in copies]
    found += [(item, str(of)) for item, of in chosen_labels(project, choice).values_list("pk", "certificate")]
    items = np.fromiter((item for item, _ in found), np.int64, len(found))
    order = np.argsort(items, kind="stable")
    return Stamps(items[order], pa.array([text for _, text in found], pa.string()).take(pa.array(order)))


def answered_since(project: Project, moment: datetime.datetime) -> np.ndarray:
    """Return the items with answers that were given or undone about that time or later."""
    at = stored_time(moment - OPEN_FOR)
    sql = """
        SELECT COALESCE(task.item_id, task.repeats_id)
        FROM labeling_annotation answer JOIN labeling_task task ON task.id = answer.task_id
            JOIN labeling_batch batch ON batch.id = task.batch_id
        WHERE batch.project_id = %s AND (answer.created_at >= %s OR answer.undone_at >= %s)"""
    return np.unique(np.fromiter((item for (item,) in rows(sql, [project.pk, at, at])), np.int64))
