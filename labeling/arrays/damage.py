"""Damaged files of projects: each is named once in the log and for the project's pages, and rebuilt by a worker."""

from __future__ import annotations

import logging
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeling.disk import FileDamaged, FileMissing
from labeling.models import DamagedFile, Job, Project

logger = logging.getLogger(__name__)


def root_of(project: Project) -> Path:
    """The folder of the project's files."""
    return Path(settings.DATA_DIR) / "projects" / str(project.pk)


def name_of(project: Project, path: Path) -> str:
    """How rows and pages name a file: its path below the project's folder, or all of it for one elsewhere."""
    root = root_of(project)
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def report(project: Project, damage: FileDamaged) -> None:
    """Have a file rebuilt that a reader found damaged. A file that is merely not there is not reported: readers for
    whom that is damage call `note`.
    """
    if not isinstance(damage, FileMissing):
        note(project, name_of(project, damage.path), damage.problem)
        enqueue_rebuild(project)


def note(project: Project, name: str, problem: str) -> None:
    """Write down, and log, that a file is damaged. Told again, it is one row and one line of the log."""
    found = {"problem": problem[:300], "found_at": timezone.now(), "mended_at": None, "remedy": ""}
    known = DamagedFile.objects.filter(project=project, name=name)
    if known.standing().filter(problem=problem[:300]).exists():
        return
    logger.error("Project %s: the file %s is damaged: %s", project.slug, name, problem)
    if not known.update(**found):
        DamagedFile.objects.bulk_create([DamagedFile(project=project, name=name, **found)], ignore_conflicts=True)


def mended(project: Project, name: str) -> None:
    """Write down that a file is whole again."""
    if DamagedFile.objects.standing().filter(project=project, name=name).update(mended_at=timezone.now(), remedy=""):
        logger.warning("Project %s: the file %s is whole again.", project.slug, name)


def not_mended(project: Project, name: str, remedy: str) -> None:
    """Write down why a damaged file stays so, and what to do."""
    if DamagedFile.objects.standing().filter(project=project, name=name).update(remedy=remedy[:500]):
        logger.error("Project %s: the file %s stays damaged. %s", project.slug, name, remedy)


@transaction.atomic
def enqueue_rebuild(project: Project) -> None:
    """Have a worker rebuild the project's damaged files, unless that waits already."""
    if not project.jobs.waiting().filter(kind=Job.Kind.REBUILD).exists():
        Job.objects.enqueue(Job.Kind.REBUILD, project=project)


def standing_in(project: Project) -> list[DamagedFile]:
    """The project's damaged files, by name. One query."""
    return list(DamagedFile.objects.standing().filter(project=project))
