"""Check the abilities of members, for the API and the pages.

Users who are not members of a project get a 404; a member without the ability gets a 403 that names the roles with it.
"""

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext

from labeling.models import Ability, Membership, Project, Role, User
from labeling.models.roles import who_may
from labeling.storage.db.statements import Columns, rows

MEMBER_ROW = Columns(Membership, "m")
PROJECT = Columns(Project, "p")


def membership_of(user: User | AnonymousUser, slug: str) -> Membership:
    """Return the user's membership, with its project. A superuser counts as a manager of every project.

    Raises `Http404` if the user is not a member or the project does not exist.
    """
    membership = find_membership(user, slug) if isinstance(user, User) else None
    if membership is None:
        raise Http404("This project does not exist, or you are not a member.")
    return membership


def find_membership(user: User, slug: str) -> Membership | None:
    """Return the membership as `membership_of` does, but None in place of a 404."""
    # Plain SQL: every request to a project runs this query.
    member_rows = rows(
        f"SELECT {MEMBER_ROW.sql}, {PROJECT.sql} FROM labeling_project p "
        "JOIN labeling_membership m ON m.project_id = p.id "
        "WHERE p.slug = %s AND m.user_id = %s AND p.deleted_at IS NULL",
        [slug, user.pk],
    )
    membership = None
    if member_rows:
        membership = MEMBER_ROW.read(member_rows[0][: len(MEMBER_ROW)])
        membership.project, membership.user = PROJECT.read(member_rows[0][len(MEMBER_ROW) :]), user
    elif user.is_superuser:
        project = Project.objects.kept().filter(slug=slug).first()
        if project is not None:
            return Membership(project=project, user=user, role=Role.MANAGER)
    return membership


def require(membership: Membership, ability: Ability) -> None:
    """Raise `PermissionDenied` unless the member has the ability. The message names the roles that have it."""
    if not membership.can(ability):
        raise PermissionDenied(gettext("Only %(people)s of this project may do that.") % {"people": who_may(ability)})


def require_unarchived(membership: Membership) -> None:
    """Raise `PermissionDenied` if the project is archived."""
    if membership.project.archived_at is not None:
        raise PermissionDenied(
            gettext("This project is archived: it can be read, not changed. A manager can unarchive it.")
        )


def projects_of(user: User, *, deleted: bool = False) -> list[Membership]:
    """Return the user's memberships with their projects, archived projects included, in the order of the slugs.

    With `deleted`, memberships of deleted projects too.
    """
    if user.is_superuser:
        projects = Project.objects.all() if deleted else Project.objects.kept()
        return [Membership(project=project, user=user, role=Role.MANAGER) for project in projects]
    memberships = Membership.objects.select_related("project").filter(user=user)
    if not deleted:
        memberships = memberships.filter(project__deleted_at=None)
    return list(memberships.order_by("project__slug"))


def is_operator(user: User) -> bool:
    """Return whether the user may see projects and accounts outside their own projects."""
    return user.is_staff or user.is_superuser


def may_create_projects(user: User) -> bool:
    """Return whether the user is an operator, or may change at least one project as a whole."""
    return is_operator(user) or user.memberships.who_can(Ability.PROJECT_CHANGE).exists()
