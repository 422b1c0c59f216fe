"""Erase projects that were deleted 30 days ago: first their files, then their rows, then the project itself.

Rows are removed in small parts, each in its own transaction, so that other requests wait only briefly for SQLite's
single writer. Each part reads from the database what is left to remove, so the sweep after a killed sweep continues its
work.
"""

import datetime
import logging
import time
from functools import cache
from graphlib import TopologicalSorter
from typing import Any

from django.apps import apps
from django.db import models, transaction

from labeling.labels.items import search
from labeling.models import (
    Batch,
    Item,
    Job,
    LabelClass,
    Leftover,
    LogKind,
    ModelVersion,
    Project,
    Reference,
    Task,
    Upload,
)
from labeling.observing import auditlog
from labeling.outside.references import fetching
from labeling.projects import quota
from labeling.projects.lifecycle import KEPT
from labeling.projects.privacy import families
from labeling.storage import media
from labeling.storage.arrays.files import ProjectFiles
from labeling.storage.shared_files import StoreAway, store
from models_store.folders import FolderError, folder_at

logger = logging.getLogger(__name__)

# Rows in one transaction.
CHUNK = 200
# A web host that restores a project may have a clock that is behind the worker's.
MARGIN = datetime.timedelta(hours=1)

# Keys to rows of the same table, or of tables that are removed earlier. They are cleared first.
CIRCLES: tuple[tuple[type[models.Model], str], ...] = (
    (LabelClass, "parent"),
    (ModelVersion, "parent"),
    (Task, "replaces"),
    (Batch, "selected_by"),
    (Batch, "choice"),
)


class _TimeIsUp(Exception):
    """This sweep has used its time; the next sweep continues."""


def erase_projects(now: datetime.datetime, seconds: float) -> None:
    """Remove projects that were deleted more than 30 days ago, for about this many seconds."""
    until = time.monotonic() + seconds
    over = Project.objects.filter(deleted_at__lte=now - KEPT - MARGIN)
    for project in over.exclude(pk__in=Job.objects.running().values("project")):
        try:
            _remove_versions(project, until)
            _remove_files(project, until)
            families.leave(project)
            _clear_circular_keys(project)
            for model, path in tables().items():
                _remove_rows(model, path, project, until)
        except _TimeIsUp:
            return
        except (FolderError, StoreAway) as error:  # files out of reach: the rows that name them stay
            logger.warning("Project %d cannot be removed yet: %s", project.pk, error)
            continue
        with transaction.atomic():
            Leftover.objects.create()
            auditlog.record(LogKind.PROJECT_ERASED, subject=f"project {project.pk}", after={"slug": project.slug})
            auditlog.seal_project(project)
            Project.objects.filter(pk=project.pk).delete()


def _remove_versions(project: Project, until: float) -> None:
    files = ProjectFiles(project)
    # A killed training or registration may have written the files of a version without recording that version.
    last = project.versions.aggregate(last=models.Max("number"))["last"] or 0
    folder_at(files.artifact_at(files.artifact(last + 1))).remove()
    for registration in project.registrations.filter(version=None):
        folder_at(files.artifact_at(files.registered(registration.pk))).remove()
    for version in project.versions.exclude(artifact=""):
        folder_at(files.artifact_at(version.artifact)).remove()
        project.versions.filter(pk=version.pk).update(artifact="")
        _raise_if_late(until)


def _remove_files(project: Project, until: float) -> None:
    """Remove the project's media, matrices and models, and its uploads."""
    for upload in Upload.objects.filter(project=project):
        quota.discard(store().path_of(upload.path))
    for root in (media.path_of(str(project.pk)), ProjectFiles(project).root, fetching.folder_of(project.pk)):
        for _ in store().remove_below(root):
            _raise_if_late(until)


def _clear_circular_keys(project: Project) -> None:
    Reference.objects.filter(source__project=project).exclude(project=project).update(source=None)
    for model, key in CIRCLES:
        rows = model._default_manager.filter(**{_lookup_of_project(model): project, f"{key}__isnull": False})
        rows.update(**{key: None})


@cache
def tables() -> dict[type[models.Model], str]:
    """Return every table with rows of projects, with the lookup from its rows to the project, in the order of removal.

    A table comes before the tables that it refers to. Raises `CycleError` if `CIRCLES` lacks a key.
    """
    order: TopologicalSorter[type[models.Model]] = TopologicalSorter()
    for model in apps.get_app_config("labeling").get_models(include_auto_created=True):
        if _lookup_of_project(model):
            order.add(model)
            for key in _foreign_keys(model):
                if (model, key.name) not in CIRCLES:
                    order.add(key.related_model, model)
    return {model: path for model in order.static_order() if (path := _lookup_of_project(model))}


@cache
def _lookup_of_project(model: type[models.Model]) -> str:
    """Return the shortest lookup from a table's rows to their project over keys that are never null; "" if there is
    none.
    """
    lookups = [
        key.name if key.related_model is Project else f"{key.name}__{further}"
        for key in _foreign_keys(model)
        if not key.null and (key.related_model is Project or (further := _lookup_of_project(key.related_model)))
    ]
    return min(lookups, key=lambda lookup: lookup.count("__"), default="")


def _foreign_keys(model: type[models.Model]) -> list[models.ForeignKey[Any, Any]]:
    return [field for field in model._meta.fields if isinstance(field, models.ForeignKey)]


def _remove_rows(model: type[models.Model], path: str, project: Project, until: float) -> None:
    rows = model._default_manager.filter(**{path: project}).order_by().values_list("pk", flat=True)
    while part := list(rows[:CHUNK]):
        began = time.monotonic()
        with transaction.atomic():
            chosen = model._default_manager.filter(pk__in=part)
            chosen._raw_delete(chosen.db)  # no row refers to these rows any more: Django need not collect any
            if model is Item:
                search.forget_words(part)
        time.sleep(time.monotonic() - began)  # let other writers in
        _raise_if_late(until)


def _raise_if_late(until: float) -> None:
    if time.monotonic() > until:
        raise _TimeIsUp
