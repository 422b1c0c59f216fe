"""Lookups of objects that a command's arguments name."""

from __future__ import annotations

from django.core.management.base import CommandError

from labeling.models import Project


def project_named(slug: str) -> Project:
    """Return the project. Raises `CommandError` if it does not exist."""
    project = Project.objects.kept().filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no project {slug!r}. `create_project` makes one.")
    return project
