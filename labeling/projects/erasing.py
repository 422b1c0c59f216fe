"""Removing deleted projects for good, once their 30 days are over: files, rows, and last of all the project.

All is done in small parts, each in a transaction of its own, so that nobody waits long for SQLite's one writer. A part
asks the database what is left: killed at any moment, the next sweep goes on where this one was.
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
# Whoever restores a project has a clock of their own.
MARGIN = datetime.timedelta(hours=1)

# Every table of a project, and how its rows know the project; what points to others comes before them.
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
    """The rest is for the next sweep."""


def erase(now: datetime.datetime, seconds: float) -> None:
    """Go on removing projects that were deleted 30 days ago or earlier, for about so long."""
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
        except (FolderError, StoreAway) as error:  # out of reach now: the rows that know the place stay
            logger.warning("Project %d cannot be removed yet: %s", project.pk, error)
            continue
        Project.objects.filter(pk=project.pk).delete()


def _remove_versions(project: Project, until: float) -> None:
    """The files of model versions, wherever each lies."""
    files = ProjectFiles(project)
    # A training that was killed may have written the next one before its version was recorded.
    last = project.versions.aggregate(last=models.Max("number"))["last"] or 0
    folder_at(files.artifact_at(files.artifact(last + 1))).remove()
    for version in project.versions.exclude(artifact=""):
        folder_at(files.artifact_at(version.artifact)).remove()
        project.versions.filter(pk=version.pk).update(artifact="")
        _check_time(until)


def _remove_files(project: Project, until: float) -> None:
    """Media, matrices and models, and files that waited to be taken in."""
    for upload in Upload.objects.filter(project=project):
        storage.discard(store().path_of(upload.path))
    for root in (media.path_of(str(project.pk)), ProjectFiles(project).root):
        for _ in store().remove_below(root):
            _check_time(until)


def _cut_circles(project: Project) -> None:
    """Let go of rows that point at others of their own table, or at those that are removed first."""
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
            chosen._raw_delete(chosen.db)  # what points to these rows is gone: nothing has to be looked up
            if model is Item:
                search.forget(part)
        time.sleep(time.monotonic() - began)  # others who write get their turn
        _check_time(until)


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise _TimeIsUp
