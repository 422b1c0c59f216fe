"""Read the facts of a payoff with a few queries, so that the payoff is computed again only when they change."""

from dataclasses import dataclass

from django.db.models import Sum

from labeling.insight.control_slice import ControlFacts
from labeling.models import Job, ModelVersion, Project
from labeling.projects.privacy import ledger
from labeling.projects.version_in_use import in_use
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import store

MOST_VERSIONS = 24
"""The most versions that are read, the newest first."""


@dataclass(frozen=True, slots=True)
class PayoffFacts:
    """The cache key of a payoff: equal facts give equal payoffs."""

    project: Project
    """Compared by its key; the fields below hold the settings that matter."""
    versions: tuple[ModelVersion, ...]
    """The newest trained versions with stored predictions for the pool, in order."""
    written: tuple[str, ...]
    """The stamps of the versions' files, which change when a file is written again."""
    version: int
    """The number of the version in use; 0 for none."""
    first_picked: int | None
    """The number of the first batch that was not drawn at random."""
    next_batch: tuple[int, int]
    baseline: str | None
    """The stamp of the baseline's file."""
    failure: str | None
    """The reason of the failed step `baseline`, if there is no baseline."""
    control: ControlFacts
    pool: int
    private: bool


def stored_predictions(project: Project) -> dict[ModelVersion, str]:
    """Return the newest trained versions with stored predictions for the pool, in order, with their files' stamps."""
    files = ProjectFiles(project)
    newest = list(reversed(project.versions.trained().select_related("batch").order_by("-number")[:MOST_VERSIONS]))
    stamps = store().stamps([files.pool(version, "best") for version in newest])
    return {version: stamp for version, stamp in zip(newest, stamps, strict=True) if stamp is not None}


def facts_of_payoff(project: Project, versions: dict[ModelVersion, str], control: ControlFacts) -> PayoffFacts:
    """Read the facts of a payoff. `versions`: of `stored_predictions`. `control`: the facts of the control slice."""
    used, failed = in_use(project), None
    [baseline] = store().stamps([ProjectFiles(project).baseline])
    if baseline is None:
        failed = project.jobs.filter(kind=Job.Kind.BASELINE, state=Job.State.FAILED).order_by("-pk").first()
    return PayoffFacts(
        project=project,
        versions=tuple(versions),
        written=tuple(versions.values()),
        version=used.version.number if used else 0,
        first_picked=project.batches.picked().order_by("number").values_list("number", flat=True).first(),
        next_batch=_next_batch(project),
        baseline=baseline,
        failure=failed.reason if failed else None,
        control=control,
        pool=project.encoded_rows,
        private=ledger.is_private(project),
    )


def _next_batch(project: Project) -> tuple[int, int]:
    """Return the size of the active or next batch, and its items to learn from; (0, 0) if no item is left."""
    active = project.batches.active().filter(size__gt=0).order_by("-number").first()
    if active is not None:
        return active.size, active.size - active.control_tasks
    left = project.encoded_rows - project.batches.aggregate(n=Sum("size", default=0))["n"]
    size = min(left, project.batch_size)
    return size, size - round(size * project.control_share)
