"""What a payoff follows from, read by a few queries, so that it is computed again only where that has changed."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Sum

from labeling.arrays.files import ProjectFiles
from labeling.insight.control_slice import ControlFacts, control_facts
from labeling.loop import ledger
from labeling.loop.versions import in_use
from labeling.models import Job, ModelVersion, Project
from labeling.shared_files import store

MOST_VERSIONS = 24
"""The newest ones tell what comes next."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a payoff follows from; equal ones have the same. Labels by how many there are and when the last one
    came: an answer, a correction, and an answer taken back change that.
    """

    project: Project
    """Compared by its key: of its settings, those below count."""
    versions: tuple[ModelVersion, ...]
    """The newest ones whose predictions of the pool are stored, in order."""
    written: tuple[str, ...]
    """The stamps of their files: others where they were written again."""
    version: int
    """In use; 0 for none."""
    first_picked: int | None
    """Number of the first batch that was not drawn by chance."""
    next_batch: tuple[int, int]
    baseline: str | None
    """The stamp of its file."""
    failure: str | None
    """Why there is none, if that is told."""
    control: ControlFacts
    pool: int
    private: bool


def stored_predictions(project: Project) -> dict[ModelVersion, str]:
    """The newest versions whose predictions of the pool are stored, in order, and a stamp of the file of each."""
    files = ProjectFiles(project)
    newest = list(reversed(project.versions.select_related("batch").order_by("-number")[:MOST_VERSIONS]))
    stamps = store().stamps([files.pool(version, "best") for version in newest])
    return {version: stamp for version, stamp in zip(newest, stamps, strict=True) if stamp is not None}


def facts_of(project: Project, versions: dict[ModelVersion, str]) -> Facts:
    """What a payoff by these versions follows from."""
    used, failed = in_use(project), None
    [baseline] = store().stamps([ProjectFiles(project).baseline])
    if baseline is None:
        failed = project.jobs.filter(kind=Job.Kind.BASELINE, state=Job.State.FAILED).order_by("-pk").first()
    return Facts(
        project=project,
        versions=tuple(versions),
        written=tuple(versions.values()),
        version=used.version.number if used else 0,
        first_picked=project.batches.picked().order_by("number").values_list("number", flat=True).first(),
        next_batch=_next_batch(project),
        baseline=baseline,
        failure=failed.reason if failed else None,
        control=control_facts(project),
        pool=project.encoded_rows,
        private=ledger.is_private(project),
    )


def _next_batch(project: Project) -> tuple[int, int]:
    """Items of the batch that is under way, or else of the next one, and those to learn from; 0 if no item is left."""
    active = project.batches.active().filter(size__gt=0).order_by("-number").first()
    if active is not None:
        return active.size, active.size - active.control_tasks
    left = project.encoded_rows - project.batches.aggregate(n=Sum("size", default=0))["n"]
    size = min(left, project.batch_size)
    return size, size - round(size * project.control_share)
