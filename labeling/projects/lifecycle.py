"""Archive, unarchive, delete and restore projects.

An archived project can be read and exported, but not changed: pages and API refuse changes
(`access.require_unarchived`), and the worker starts none of its jobs. A deleted project is hidden from all members.
For 30 days its managers can restore it; then `labeling.projects.erasing_projects` removes it for good.
"""

import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models import Ability, LogKind, Membership, Project, User
from labeling.observing import auditlog

KEPT = datetime.timedelta(days=30)


@transaction.atomic
def archive(*, project: Project) -> None:
    """Archive the project; no change if it is archived already."""
    if Project.objects.filter(pk=project.pk, archived_at=None).update(archived_at=timezone.now()):
        auditlog.record(LogKind.PROJECT_ARCHIVED, project=project)
    project.refresh_from_db(fields=["archived_at"])


@transaction.atomic
def unarchive(*, project: Project) -> None:
    """End the archiving of the project; its work continues where it stopped."""
    if Project.objects.filter(pk=project.pk, archived_at__isnull=False).update(archived_at=None):
        auditlog.record(LogKind.PROJECT_UNARCHIVED, project=project)
    project.archived_at = None


@transaction.atomic
def delete(*, project: Project, user: User, name: str) -> None:
    """Hide the project from all members, until `restore`. Raises `ValidationError` unless `name` is the project's."""
    if name.strip() != project.name.strip():
        raise ValidationError(
            {"name": gettext("To confirm, enter the project's name: %(name)s.") % {"name": project.name}}
        )
    deleted = {"deleted_at": timezone.now(), "deleted_by": user}
    if Project.objects.filter(pk=project.pk, deleted_at=None).update(**deleted):
        auditlog.record(LogKind.PROJECT_DELETED, project=project)


@transaction.atomic
def restore(*, project: Project) -> None:
    """Restore a project that was deleted in the last 30 days. Raises `ValidationError` for any other project."""
    earliest = timezone.now() - KEPT
    if not Project.objects.filter(pk=project.pk, deleted_at__gt=earliest).update(deleted_at=None, deleted_by=None):
        raise ValidationError(gettext("The project is no longer deleted, or was deleted more than 30 days ago."))
    auditlog.record(LogKind.PROJECT_RESTORED, project=project)


def restorable(user: User) -> list[Project]:
    """Return the deleted projects that `user` can restore, the latest first."""
    projects = Project.objects.filter(deleted_at__gt=timezone.now() - KEPT)
    if not user.is_superuser:
        managed = Membership.objects.who_can(Ability.PROJECT_CHANGE).filter(user=user)
        projects = projects.filter(pk__in=managed.values("project"))
    return list(projects.select_related("deleted_by").order_by("-deleted_at"))
