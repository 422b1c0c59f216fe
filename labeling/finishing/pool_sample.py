"""A random sample of the items that a model may label, with the probabilities that its labels are right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from django.utils.translation import gettext

from labeling.finishing.candidates import predicting
from labeling.finishing.experience import control_experience, corrected
from labeling.finishing.goal import FinishRefused
from labeling.insight.control_slice import ControlFacts, control_facts
from labeling.insight.pool_counts import PoolCounts, count_pool
from labeling.models import ModelVersion, Project
from labeling.projects.version_in_use import InUse
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.db.statements import among
from labeling.storage.shared_files import store

ROWS = 20_000
"""The most rows of the pool that are read."""


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """The cache key of a sample: equal facts give equal samples."""

    project: Project
    version: ModelVersion
    written: tuple[str | None, ...]
    pool: PoolCounts
    control: ControlFacts


@dataclass(frozen=True, slots=True)
class PoolSample:
    """A sample of the items that an audit may prove, (n,) each, which stands for `size` items.

    probabilities : float64, that the predicted answer is right, corrected by the control slice.
    values : the predicted answers, as in `labeling.finishing.candidates.Candidates`.
    control : the control items that corrected the probabilities.
    """

    probabilities: np.ndarray
    values: np.ndarray
    size: int
    control: int


def sample_facts(project: Project, used: InUse) -> SampleFacts:
    """Read the facts with at most eight queries."""
    version = predicting(project, used) or used.version
    paths = [ProjectFiles(project).pool(version, name) for name in project.asks.answer_arrays]
    return SampleFacts(project, version, tuple(store().stamps(paths)), count_pool(project), control_facts(project))


@lru_cache(maxsize=16)
def sample_of(facts: SampleFacts, within: int, *, each_class: bool) -> PoolSample:
    """Return the sample, with the items reserved for control: an audit that begins releases most of them. `within`: the
    points by which a right score may differ. `each_class`: as in `labeling.finishing.experience.corrected`.
    Takes two queries.

    Raises `FinishRefused` if the version's predictions are not stored, or if no control item tells how often the
    version is right.
    """
    project, version = facts.project, facts.version
    files = ProjectFiles(project)
    values, confidence = (files.answers(version, name) for name in project.asks.answer_arrays)
    if values is None or confidence is None:
        raise FinishRefused(
            gettext("Version %(number)s has no predictions for the pool yet. They follow when it picks a batch.")
            % {"number": version.number}
        )
    experience = control_experience(project, version, within=within)
    if not experience.right:
        raise FinishRefused(
            gettext(
                "No control item has a label yet, so nothing tells how often the model is right. Label a "
                "batch with a control share above 0, then finish."
            )
        )
    n = min(len(values), len(confidence))
    rows = np.sort(np.random.default_rng(version.number).choice(n, min(ROWS, n), replace=False))
    may = project.items.unlabeled().filter(label__isnull=True, row__in=among(rows.tolist()))
    open_rows = np.sort(np.fromiter(may.order_by().values_list("row", flat=True), np.int64))
    open_rows = open_rows[confidence[open_rows] > 0]
    return PoolSample(
        probabilities=corrected(confidence[open_rows], experience, each_class=each_class),
        values=np.asarray(values[open_rows]),
        size=round(len(open_rows) * len(values) / max(len(rows), 1)),
        control=len(experience.right),
    )
