"""Roles by the groups that a login provider names: `OIDC_GROUPS`."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from labeling.models import Project, User
from labeling.projects.people import members

logger = logging.getLogger(__name__)


@transaction.atomic
def apply(*, user: User, groups: Iterable[str]) -> None:
    """Give the person the roles of the groups, and take memberships of listed projects without a group.

    In a project of the list, the groups decide alone. The first entry that names the project and one of the groups
    counts. A last manager stays, and a project that is full stays as it is.
    """
    held = set(groups)
    roles: dict[str, str] = {}
    for group, slug, role in settings.OIDC_GROUPS:
        roles[slug] = roles.get(slug) or (role if group in held else "")
    for project in Project.objects.kept().filter(slug__in=roles).order_by("pk"):
        try:
            with transaction.atomic():
                if role := roles[project.slug]:
                    members.set_role(project=project, user=user, role=role)
                else:
                    members.remove_member(project=project, user=user)
        except ValidationError as problem:
            logger.warning("Groups leave %s in %s as they are: %s", user, project.slug, " ".join(problem.messages))
