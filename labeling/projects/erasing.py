"""Remove deleted projects for good after 30 days: first their files, then their rows, then the project itself.

Rows are removed in small parts, each in its own transaction, so that other requests wait only briefly for SQLite's
single writer. Each part reads from the database what is left to remove, so the sweep after a killed sweep continues its
work.
"""

from __future__ import annotations

import datetime
import logging
import time

from django.db import models, transaction

from labeling.arrays.files import ProjectFiles
from labeling.items import search
from labeling.kinds import media
from labeling.models import (
    Annotation,
    Assignment,
    Batch,
    BatchPart,
    BulkChange,
    ClassChange,
    ClassExample,
    ClassProposal,
    Clustering,
    Comment,
    Copy,
    CopyAnswer,
    Correction,
    DamagedFile,
    FeatureSum,
    GuidelinesImage,
    GuidelinesVersion,
    Invitation,
    Item,
    ItemImport,
    ItemIndex,
    Job,
    LabelClass,
    LabelCounts,
    Membership,
    ModelVersion,
    PredictionRun,
    PrivateTraining,
    Project,
    ProjectStorage,
    RejectedRow,
    Release,
    Removal,
    ReviewPlace,
    Selection,
    Task,
    Upload,
    VersionChoice,
    WorkLog,
)
from labeling.projects import families, storage
from labeling.projects.lifecycle import KEPT
from labeling.shared_files import StoreAway, store
from models_store.folders import FolderError, folder_at

logger = logging.getLogger(__name__)

# Rows in one transaction.
CHUNK = 200
# A web host that restores a project may have a clock that is behind the worker's.
MARGIN = datetime.timedelta(hours=1)

# Every table of a project, with the lookup from its rows to the project. A table stands before the tables that it
# refers to.
TABLES: tuple[tuple[type[models.Model], str], ...] = (
    (WorkLog, "batch__project"),
    (LabelCounts, "batch__project"),
    (ClassExample, "item__project"),
    (ClassProposal, "project"),
    (BatchPart, "batch__project"),
    (Comment, "item__project"),
    (ReviewPlace, "item__project"),
    (CopyAnswer, "annotation__task__batch__project"),
    (Annotation, "task__batch__project"),
    (Assignment, "task__batch__project"),
    (Task, "batch__project"),
    (Correction, "item__project"),
    (Removal, "item__project"),
    (Copy, "item__project"),
    (Item, "project"),
    (RejectedRow, "item_import__project"),
    (ItemImport, "project"),
    (PredictionRun, "project"),
    (Job, "project"),
    (BulkChange, "project"),
    (PrivateTraining, "project"),
    (Release, "version__project"),
    (Selection, "batch__project"),
    (Clustering, "project"),
    (VersionChoice, "project"),
    (ModelVersion, "project"),
    (Batch, "project"),
    (ClassChange, "project"),
    (LabelClass, "project"),
    (GuidelinesVersion, "project"),
    (GuidelinesImage, "project"),
    (Invitation, "project"),
    (Membership, "project"),
    (FeatureSum, "project"),
    (DamagedFile, "project"),
    (Upload, "project"),
    (ItemIndex, "project"),
    (ProjectStorage, "project"),
)


class _TimeIsUp(Exception):
    """This sweep has used its time; the next sweep continues."""


def erase(now: datetime.datetime, seconds: float) -> None:
    """Remove projects that were deleted more than 30 days ago, for about this many seconds."""
    until = time.monotonic() + seconds
    over = Project.objects.filter(deleted_at__lte=now - KEPT - MARGIN)
    for project in over.exclude(pk__in=Job.objects.running().values("project")):
        try:
            _remove_versions(project, until)
            _remove_files(project, until)
            families.leave(project)
            _cut_circles(project)
            for model, path in TABLES:
                _remove_rows(model, path, project, until)
        except _TimeIsUp:
            return
        except (FolderError, StoreAway) as error:  # files out of reach: the rows that name them stay
            logger.warning("Project %d cannot be removed yet: %s", project.pk, error)
            continue
        Project.objects.filter(pk=project.pk).delete()


def _remove_versions(project: Project, until: float) -> None:
    """Remove the files of the project's model versions."""
    files = ProjectFiles(project)
    # A killed training may have written the files of the next version without recording that version.
    last = project.versions.aggregate(last=models.Max("number"))["last"] or 0
    folder_at(files.artifact_at(files.artifact(last + 1))).remove()
    for version in project.versions.exclude(artifact=""):
        folder_at(files.artifact_at(version.artifact)).remove()
        project.versions.filter(pk=version.pk).update(artifact="")
        _check_time(until)


def _remove_files(project: Project, until: float) -> None:
    """Remove the project's media, matrices and models, and its uploads."""
    for upload in Upload.objects.filter(project=project):
        storage.discard(store().path_of(upload.path))
    for root in (media.path_of(str(project.pk)), ProjectFiles(project).root):
        for _ in store().remove_below(root):
            _check_time(until)


def _cut_circles(project: Project) -> None:
    """Clear the foreign keys to rows of the same table, and to rows of tables that are removed earlier."""
    LabelClass.objects.filter(project=project, parent__isnull=False).update(parent=None)
    ModelVersion.objects.filter(project=project, parent__isnull=False).update(parent=None)
    Task.objects.filter(batch__project=project, replaces__isnull=False).update(replaces=None)
    chosen = {"selected_by": None, "choice": None}
    picked = models.Q(selected_by__isnull=False) | models.Q(choice__isnull=False)
    Batch.objects.filter(picked, project=project).update(**chosen)


def _remove_rows(model: type[models.Model], path: str, project: Project, until: float) -> None:
    rows = model._default_manager.filter(**{path: project}).order_by().values_list("pk", flat=True)
    while part := list(rows[:CHUNK]):
        began = time.monotonic()
        with transaction.atomic():
            chosen = model._default_manager.filter(pk__in=part)
            chosen._raw_delete(chosen.db)  # no row refers to these rows any more: Django need not collect any
            if model is Item:
                search.forget(part)
        time.sleep(time.monotonic() - began)  # let other writers in
        _check_time(until)


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise _TimeIsUp
