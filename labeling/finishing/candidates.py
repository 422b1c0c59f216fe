"""The items whose labels an audit may prove: the pool's unpicked items, with the labels of one model version."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from labeling.models import Audit, Copy, ModelVersion, Project
from labeling.projects.version_in_use import InUse
from labeling.storage.arrays import stored
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.arrays.forms import FLOAT, FORMS, INTEGER, Form, fitted
from labeling.storage.disk.files import FileDamaged

CHUNK = 2000
OWN_FORMS = {**dict.fromkeys(("items", "rows", "order"), Form(INTEGER, 1)), "probabilities": Form(FLOAT, 1)}
"""Of the arrays of an audit's file, but for its `values`."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """An audit's candidates by rank, (N,) each, and the order in which people are asked.

    items : int64, the keys of the items.
    rows : int64, the items' rows.
    values : the version's predicted answers, as the first of the question's `answer_arrays` has them: (N,) int64, or
        (N, l) int16 where an answer is a list of classes.
    probabilities : float64, the probabilities of these, descending.
    order : int64, the candidates' ranks in the order of the draws; empty until the audit is planned.
    """

    items: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    probabilities: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.items)

    def only(self, which: Any) -> Candidates:
        """Return these candidates, in their order. `which`: a mask or a slice."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return Candidates(**{name: array[which] if len(array) else array for name, array in arrays.items()})


def predicting(project: Project, used: InUse | None) -> ModelVersion | None:
    """Return the version in use, or the version that picked the newest batch if the former has not predicted the pool
    yet; None if neither has. Takes a query in the latter case.
    """
    files = ProjectFiles(project)
    if used and not used.version.damaged and files.has_predicted(used.version):
        return used.version
    newest = project.batches.exclude(selected_by=None).select_related("selected_by").order_by("-number").first()
    picked = newest and newest.selected_by
    return picked if picked and not picked.damaged and files.has_predicted(picked) else None


def read_candidates(project: Project, version: ModelVersion, *, reserved: bool = False) -> Candidates:
    """Return the items that no batch has taken and that this version has predicted, ranked as
    `labeling.finishing.certifying.plan.stratify` ranks them.

    Left out are near-copies that have or may get the label of their source, items with more predicted classes than are
    stored, and items reserved for control, unless `reserved`. Raises `FileMissing` or `FileDamaged` if an array of the
    version is damaged.
    """
    files = ProjectFiles(project)
    answers, sureness = project.asks.answer_arrays
    values = files.read(version, answers, rows=files.rows_picked_from(version) or None)
    confidence = files.read(version, sureness, rows=len(values))
    items = project.items.unlabeled().filter(row__lt=len(values))
    if not reserved:
        items = items.filter(reserved=False)
    items = items.exclude(pk__in=Copy.objects.confirmed().filter(batch__project=project).values("item"))
    keys = items.order_by("row").values_list("pk", "row").iterator(chunk_size=CHUNK)
    pool = np.fromiter(keys, [("item", np.int64), ("row", np.int64)])
    pool = pool[confidence[pool["row"]] > 0]
    pool = pool[np.argsort(-confidence[pool["row"]], kind="stable")]
    rows = pool["row"].copy()
    return Candidates(
        items=pool["item"].copy(),
        rows=rows,
        values=values[rows].astype(np.int64 if values.ndim == 1 else np.int16),
        probabilities=confidence[rows].astype(np.float64),
        order=np.empty(0, np.int64),
    )


def save(audit: Audit, candidates: Candidates) -> None:
    """Write the planned candidates to the audit's file, and record its size."""
    path = ProjectFiles(audit.project).owned(audit)
    stored.save(path, candidates)
    audit.size = path.stat().st_size
    audit.save(update_fields=["size"])


def load(audit: Audit) -> Candidates:
    """Return the audit's candidates. Raises `FileMissing`, or `FileDamaged` also for arrays unfit for its plan."""
    path = ProjectFiles(audit.project).owned(audit)
    found = stored.read_stored(path, Candidates)
    forms = OWN_FORMS | {"values": FORMS[audit.project.asks.answer_arrays[0]]}
    for name, form in forms.items():
        array = getattr(found, name)
        if len(fitted(path, array, form, rows=audit.candidates)) != len(array):
            raise FileDamaged(path, f"it has {len(array):,} candidates, and not {audit.candidates:,}")
    return found
