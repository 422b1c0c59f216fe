"""The steps that all changes of classes share: lock the project, look up the classes, record their earlier fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import ClassChange, Job, LabelClass, LogKind, Project, User
from labeling.models.refusals import StateConflict
from labeling.observing import auditlog


class ClassError(StateConflict):
    """The classes cannot be changed in this way now; the message says why."""


# Requests that are under way may have read the classes before the change: relabeling waits until they have ended.
SETTLE_SECONDS = 3
KINDS_THAT_RELABEL = (ClassChange.Kind.MERGED, ClassChange.Kind.SPLIT)
LEAST = 2
MOST_EARLIER_NAMES = 100


def remember_name(project: Project, name: str, index: int) -> None:
    """Record the name that a class has had until now: open pages and answers under way still use that name."""
    project.earlier_names = [*project.earlier_names, [name, index, project.class_revision]][-MOST_EARLIER_NAMES:]
    project.save(update_fields=["earlier_names"])


def hold(project: Project) -> Project:
    """Return the project with its row locked, so that only one transaction at a time changes its classes."""
    return Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def class_at(project: Project, index: int) -> LabelClass:
    label_class = project.classes.filter(index=index).first()
    if label_class is None:
        raise ClassError(gettext("This project does not have this class."))
    return label_class


def offered(project: Project, index: int) -> LabelClass:
    label_class = class_at(project, index)
    if label_class.archived_at is not None:
        raise ClassError(gettext("“%(name)s” is archived.") % {"name": label_class.name})
    return label_class


def keep_two(project: Project) -> None:
    if project.classes.offered().count() <= LEAST:
        raise ClassError(gettext("A project needs at least %(least)s classes.") % {"least": LEAST})


def refuse(reason: str) -> None:
    if reason:
        raise ClassError(gettext("This cannot be changed. %(reason)s") % {"reason": gettext(reason)})


def set_archived(label_class: LabelClass) -> None:
    label_class.archived_at = timezone.now()
    label_class.save(update_fields=["archived_at"])


def fields_of(label_class: LabelClass, names: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(label_class, name) for name in names}
    return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}


def record(
    project: Project,
    user: User | None,
    kind: str,
    text: str,
    classes: Sequence[LabelClass],
    *,
    before: Mapping[int, Any] | None = None,
    merged: Mapping[str, int] | None = None,
) -> None:
    project.class_revision += 1
    project.save(update_fields=["class_revision"])
    ClassChange.objects.create(
        project=project,
        revision=project.class_revision,
        kind=kind,
        user=user,
        text=text[:500],
        classes=[each.index for each in classes],
        before={str(index): fields for index, fields in (before or {}).items()},
        merged_before=dict(merged or {}),
        relabels=kind in KINDS_THAT_RELABEL,
    )
    subject = ", ".join(f"class {each.index}" for each in classes[:5])
    auditlog.record(LogKind.CLASS_CHANGED, project=project, subject=subject, before=before, after={kind: text})


def relabel(project: Project) -> None:
    Job.objects.enqueue(Job.Kind.RELABEL, project=project, delay_seconds=SETTLE_SECONDS)
