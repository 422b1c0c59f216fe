"""Who may what. One place, used by the API and the pages alike.

To somebody who is not a member a project does not exist (404); a member who lacks the role is told so (403).
"""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from labeling.models import Membership, Project, Role, User

# What a member must be able to do.
MEMBER = "member"
ANNOTATE = "annotate"
MANAGE = "manage"
EXPORT = "export"

_DENIED = {
    ANNOTATE: "Only annotators and managers of this project may do that.",
    MANAGE: "Only managers of this project may do that.",
    EXPORT: "Only engineers and managers of this project may do that.",
}


def membership_of(user: User | AnonymousUser, slug: str) -> Membership:
    """The user's membership, with its project. Raises `Http404`. A superuser counts as manager everywhere."""
    membership = find_membership(user, slug) if isinstance(user, User) else None
    if membership is None:
        raise Http404("There is no such project, or you are not a member of it.")
    return membership


def find_membership(user: User, slug: str) -> Membership | None:
    """As `membership_of`; None for everybody to whom the project does not exist."""
    membership = Membership.objects.select_related("project").filter(user=user, project__slug=slug).first()
    if membership is None and user.is_superuser:
        project = Project.objects.filter(slug=slug).first()
        if project is not None:
            return Membership(project=project, user=user, role=Role.MANAGER)
    return membership


def require(membership: Membership, ability: str) -> None:
    """Raise `PermissionDenied`, saying who may, unless the member has the ability."""
    allowed = {
        MEMBER: True,
        ANNOTATE: membership.may_annotate,
        MANAGE: membership.may_manage,
        EXPORT: membership.may_export,
    }[ability]
    if not allowed:
        raise PermissionDenied(_DENIED[ability])


def projects_of(user: User) -> list[Membership]:
    """The user's memberships with their projects, by name of the project."""
    if user.is_superuser:
        return [Membership(project=project, user=user, role=Role.MANAGER) for project in Project.objects.all()]
    return list(Membership.objects.select_related("project").filter(user=user).order_by("project__slug"))


def is_operator(user: User) -> bool:
    """Whether the user may know what else there is on this installation."""
    return user.is_staff or user.is_superuser


def may_create_projects(user: User) -> bool:
    """Staff, and whoever manages a project already."""
    return is_operator(user) or user.memberships.filter(role=Role.MANAGER).exists()
