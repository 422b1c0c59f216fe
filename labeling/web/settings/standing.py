"""Where a project stands, as the consequences of its settings need it: asked while people type, so bounded."""

from __future__ import annotations

import datetime
from typing import Any

from labeling.answering import counting
from labeling.arrays import stored
from labeling.arrays.files import ProjectFiles
from labeling.arrays.forecast import Sample
from labeling.insight.pace import pace_of
from labeling.insight.pool import pool_of
from labeling.loop import ledger
from labeling.models import Batch, Project
from labeling.web.settings.terms import TELLING, Standing, Terms


def terms_of(source: Any) -> Terms:
    """The telling settings of a project, or of a form's cleaned data."""
    values: dict[str, Any] = source if isinstance(source, dict) else vars(source)
    return Terms(**{name: values[name] for name in TELLING})


def standing_of(project: Project, now: datetime.datetime) -> Standing:
    """Sixteen queries and a small file, whatever the project's size."""
    version = project.versions.order_by("-number").first()
    unfinished = project.batches.exclude(state=Batch.State.DONE).values_list("control_tasks", flat=True)
    control = (version.metrics.get("control") if version else None) or {}
    measured = control.get("n") or 0
    return Standing(
        pool=pool_of(project),
        pace=pace_of(project, now),
        first=version is None,
        accuracies=[
            accuracy
            for accuracy in project.memberships.order_by("pk").values_list("accuracy", flat=True)
            if accuracy is not None
        ],
        n_values=project.asks.possible(project.classes.count()),
        measured=measured,
        waiting=sum(unfinished),
        accuracy=control.get("accuracy") if measured else None,
        sample=stored.load(ProjectFiles(project).sample, Sample) if version else None,
        labels=counting.trainable_labels(project),
        spent=ledger.spent_by(project),
        suggestions=project.items.suggested().exists(),
    )
