"""What commands look up by the name that somebody typed."""

from __future__ import annotations

from django.core.management.base import CommandError

from labeling.models import Project


def project_named(slug: str) -> Project:
    """The project. Raises `CommandError`, which says how to make one."""
    project = Project.objects.kept().filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no project {slug!r}. `create_project` makes one.")
    return project
