"""The members of a project: their roles, their limits, and their accounts."""

import datetime
import logging
from collections.abc import Iterable

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from knox.models import AuthToken

from labeling.models import Ability, LogKind, Membership, Project, Role, User
from labeling.models.roles import either, roles_with, roles_without
from labeling.observing import auditlog
from labeling.projects.limits import MEMBERS
from labeling.queue import queue

logger = logging.getLogger(__name__)


class ProjectFull(ValidationError):
    """The project has as many members as it may. The message names the limit, and who can raise it."""


def check_room(project: Project, more: int = 1) -> None:
    """Raise `ProjectFull` if the project may not have `more` members. Call in the transaction that adds them: others
    add members of the project after its end.
    """
    if MEMBERS.allowed(project.member_limit) is None:
        return
    Project.objects.locked(project.pk)
    if problem := MEMBERS.problem(project.memberships.count(), more, own=project.member_limit):
        raise ProjectFull(problem)


@transaction.atomic
def set_role(*, project: Project, user: User, role: str) -> Membership:
    """Make the user a member with this role, or change the member's role to it.

    A member who may no longer invite people loses open invitations; one who may no longer answer gives back held tasks.
    Raises `ValidationError` if the project would lose its last manager, and `ProjectFull` for one member too many.
    """
    if role not in roles_with(Ability.MEMBERS_CHANGE):
        _keep_a_manager(project, user)
    before = project.memberships.filter(user=user).values_list("role", flat=True).first()
    if before is None:
        check_room(project)
    membership, _ = Membership.objects.update_or_create(project=project, user=user, defaults={"role": role})
    if not membership.can(Ability.TASKS_ANSWER):
        queue.release(project=project, user=user)
    project.invitations.end_without_author()
    if before != role:
        kind = LogKind.MEMBER_ROLE
        auditlog.record(kind, project=project, whom=user, before={"role": before}, after={"role": role})
    return membership


@transaction.atomic
def set_work(*, membership: Membership, group: str, daily_limit: int | None) -> None:
    """Set a member's group ("" for none) and daily limit (None for the project's). Raises `ValidationError`."""
    before = {"group": membership.group, "daily_limit": membership.daily_limit}
    membership.group, membership.daily_limit = group.strip(), daily_limit
    membership.clean_fields()
    membership.save(update_fields=["group", "daily_limit"])
    after = {"group": membership.group, "daily_limit": daily_limit}
    if after != before:
        project, user = membership.project, membership.user
        auditlog.record(LogKind.MEMBER_WORK, project=project, whom=user, before=before, after=after)


@transaction.atomic
def remove_member(*, project: Project, user: User) -> bool:
    """Remove a member, give back the member's tasks, and end the member's invitations. The member's answers stay.

    Returns False if the user is not a member. Raises `ValidationError` for the last manager.
    """
    membership = Membership.objects.filter(project=project, user=user).first()
    if membership is None:
        return False
    _keep_a_manager(project, user)
    queue.release(project=project, user=user)
    membership.delete()
    project.invitations.end_without_author()
    auditlog.record(LogKind.MEMBER_REMOVED, project=project, whom=user, before={"role": membership.role})
    return True


@transaction.atomic
def transfer(*, project: Project, user: User, successor: User, role: str) -> None:
    """Make the member `successor` a manager, and give `user` the role `role`.

    Raises `ValidationError`, and changes nothing, if `user` or `successor` is not a member, if both are the same
    person, or if `role` may change members.
    """
    people = Membership.objects.filter(project=project, user__in=[user, successor])
    if user == successor or people.count() < 2:
        raise ValidationError(gettext("Choose another member of the project. You must be a member, too."))
    if role not in roles_without(Ability.MEMBERS_CHANGE):
        raise ValidationError(
            gettext("Your new role must be %(people)s.") % {"people": either(roles_without(Ability.MEMBERS_CHANGE))}
        )
    with auditlog.part_of_one():
        set_role(project=project, user=successor, role=Role.MANAGER)
        set_role(project=project, user=user, role=role)
    auditlog.record(LogKind.PROJECT_TRANSFERRED, project=project, whom=successor, after={"own role": role})


@transaction.atomic
def apply_group_roles(*, user: User, groups: Iterable[str]) -> None:
    """Give the person the roles of the groups that a login provider names (`OIDC_GROUPS`), and take memberships of
    listed projects without a group.

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
                    set_role(project=project, user=user, role=role)
                else:
                    remove_member(project=project, user=user)
        except ValidationError as problem:
            logger.warning("Groups leave %s in %s as they are: %s", user, project.slug, " ".join(problem.messages))


def _keep_a_manager(project: Project, user: User) -> None:
    """Raise `ValidationError` if `user` is the only member of the project who can change members."""
    # The lock keeps two managers from stepping down at the same time.
    Project.objects.locked(project.pk)
    managers = Membership.objects.who_can(Ability.MEMBERS_CHANGE).filter(project=project)
    if set(managers.values_list("user", flat=True)) == {user.pk}:
        raise ValidationError(gettext("This is the project's last manager. Make another member a manager first."))


def get_or_create_user(username: str, password: str | None = None) -> tuple[User, bool]:
    """Return the user with this name, and whether this call created the user. A given password becomes the user's
    password.

    Raises `ValidationError` for an invalid name.
    """
    user = User.objects.filter(username=username).first()
    created = user is None
    if user is None:
        user = User(username=username)
        user.set_unusable_password()
        user.full_clean(exclude=["password"])
        try:
            with transaction.atomic():
                user.save()
                auditlog.record(LogKind.ACCOUNT_CREATED, whom=user)
        except IntegrityError:
            return User.objects.get(username=username), False
    if password:
        user.set_password(password)
        with transaction.atomic():
            user.save(update_fields=["password"])
            auditlog.record(LogKind.PASSWORD_CHANGED, whom=user)
    return user, created


@transaction.atomic
def new_token(user: User, life: datetime.timedelta) -> str:
    """Make an API token of the user, which expires after `life`. Return it; only its digest is stored."""
    row, token = AuthToken.objects.create(user=user, expiry=life)
    subject = f"token {row.token_key[:8]}"
    auditlog.record(LogKind.TOKEN_CREATED, whom=user, subject=subject, after={"expires": row.expiry})
    return str(token)
