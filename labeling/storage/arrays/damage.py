"""Record damaged files of projects: the log and the project's pages name each file once, and a worker rebuilds it."""

import logging
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeling.models import DamagedFile, Job, Project
from labeling.storage.disk.files import FileDamaged, FileMissing

logger = logging.getLogger(__name__)


def root_of(project: Project) -> Path:
    """Return the folder of the project's files."""
    return Path(settings.DATA_DIR) / "projects" / str(project.pk)


def name_of(project: Project, path: Path) -> str:
    """Return the name of a file in rows and on pages: its path below the project's folder, else its whole path."""
    root = root_of(project)
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def report_damage(project: Project, damage: FileDamaged) -> None:
    """Record the damage that a reader found in a file, and have a worker rebuild the file.

    Does nothing for a missing file: readers that take a missing file for damage call `note_damage`.
    """
    if not isinstance(damage, FileMissing):
        note_damage(project, name_of(project, damage.path), damage.problem)
        enqueue_rebuild(project)


def note_damage(project: Project, name: str, problem: str) -> None:
    """Record and log that a file is damaged. A second call with the same problem does nothing."""
    found = {"problem": problem[:300], "found_at": timezone.now(), "mended_at": None, "remedy": ""}
    known = DamagedFile.objects.filter(project=project, name=name)
    if known.standing().filter(problem=problem[:300]).exists():
        return
    logger.error("Project %s: the file %s is damaged: %s", project.slug, name, problem)
    if not known.update(**found):
        DamagedFile.objects.bulk_create([DamagedFile(project=project, name=name, **found)], ignore_conflicts=True)


def mended(project: Project, name: str) -> None:
    """Record and log that a file is whole again."""
    if DamagedFile.objects.standing().filter(project=project, name=name).update(mended_at=timezone.now(), remedy=""):
        logger.warning("Project %s: the file %s is whole again.", project.slug, name)


def not_mended(project: Project, name: str, remedy: str) -> None:
    """Record and log why a damaged file could not be rebuilt, and the remedy."""
    if DamagedFile.objects.standing().filter(project=project, name=name).update(remedy=remedy[:500]):
        logger.error("Project %s: the file %s stays damaged. %s", project.slug, name, remedy)


@transaction.atomic
def enqueue_rebuild(project: Project) -> None:
    """Enqueue a rebuild of the project's damaged files, unless a rebuild is waiting already."""
    if not project.jobs.waiting().filter(kind=Job.Kind.REBUILD).exists():
        Job.objects.enqueue(Job.Kind.REBUILD, project=project)
