"""Invitations: a manager creates a link, and the people who open the link join the project in the link's role.

An invitation is for one person, by name or not, or for several. One that is for an account by its name is on the home
page of that account, too. No function here looks up whether an account exists, so managers cannot learn it.
"""

import datetime
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence

from django.contrib.auth.hashers import make_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from labeling.models import Ability, Invitation, LogKind, Membership, Project, User
from labeling.models.roles import who_may
from labeling.observing import auditlog
from labeling.projects.people.invisible import first_invisible, shown
from labeling.projects.people.members import ProjectFull, check_room

LIFETIME = datetime.timedelta(days=7)
LONGEST = datetime.timedelta(days=90)
# People whom one manager may invite in `LIFETIME`. A guess of a free username uses up an invitation, so this also
# limits such guesses.
MOST = 100
# People whom one link may let in, for superusers too; names that are read at once.
MOST_BY_LINK = 1000
TRIES = 10
# The same text for taken and for invalid usernames, so that it does not reveal which accounts exist.
NAME_REFUSED = gettext_lazy("This name cannot be used here. Choose another one.")

_BETWEEN = re.compile(r"[\n\r,;]+")
_ADDRESS = re.compile(r"<([^<>]*)>\Z")  # Ann Lee <ann@example.org>


class InvitationOver(Exception):
    """The invitation was used, was withdrawn or has expired."""


def read_names(text: str, *, accounts: bool = False) -> list[str]:
    """The names or addresses in a text: one a line, or between commas or semicolons. `accounts`: usernames alone.

    Raises `ValidationError` for the first entry that is no name and no address, is a repetition, or exceeds the limit.

    >>> read_names("Ann Lee; bo@example.org")
    ['Ann Lee', 'bo@example.org']
    """
    names = [name for name in map(str.strip, _BETWEEN.split(text)) if name]
    if len(names) > MOST_BY_LINK:
        raise ValidationError(
            gettext("These are %(names)s names. Invite at most %(most)s at once.")
            % {
                "names": number_format(len(names), force_grouping=True),
                "most": number_format(MOST_BY_LINK, force_grouping=True),
            }
        )
    known: set[str] = set()
    for name in names:
        if problem := _problem(name, accounts=accounts):
            raise ValidationError(problem % {"name": shown(name[:60])})
        if name.casefold() in known:
            raise ValidationError(gettext("“%(name)s” is listed twice. Remove one of them.") % {"name": name[:60]})
        known.add(name.casefold())
    return names


def _problem(name: str, *, accounts: bool) -> str:
    """Return a sentence with a place for the name that says why it is no name and no address; "" if it is one."""
    longest = 150 if accounts else Invitation.MAX_NAME
    if len(name) > longest:
        text = gettext(
            "“%(name)s” is longer than {longest} characters. Write each name or e-mail address on a line of its own."
        )
        return text.format(longest=longest)
    try:
        if accounts:
            UnicodeUsernameValidator()(name)
        elif "@" in name:
            address = _ADDRESS.search(name)
            validate_email(address[1] if address else name)
        elif first_invisible(name) is not None or not any(map(str.isalnum, name)):
            return gettext("“%(name)s” is neither a username nor an e-mail address. Correct or remove it.")
    except ValidationError:
        if accounts:
            return gettext("“%(name)s” is not a valid username. Correct or remove it.")
        return gettext("“%(name)s” is not a valid e-mail address. Correct or remove it.")
    return ""


def expiry(last_day: datetime.date | None, now: datetime.datetime) -> datetime.datetime:
    """The end of an invitation's last day, in UTC; without one, `LIFETIME` from now. Raises `ValidationError`."""
    if last_day is None:
        return now + LIFETIME
    if not now.date() <= last_day <= (now + LONGEST).date():
        raise ValidationError(
            gettext("%(last_day)s is not possible: choose a day from %(first)s to %(last)s.")
            % {"last_day": last_day, "first": now.date(), "last": (now + LONGEST).date()}
        )
    return datetime.datetime.combine(last_day + datetime.timedelta(days=1), datetime.time(), datetime.UTC)


def invite(
    *,
    project: Project,
    user: User,
    role: str,
    name: str = "",
    to_account: bool = False,
    limit: int = 1,
    last_day: datetime.date | None = None,
) -> tuple[Invitation, str]:
    """Create an invitation by `user`, and return it with the token of its link. Raises as `invite_each`."""
    [made] = invite_each(
        project=project, user=user, role=role, names=[name], to_accounts=to_account, limit=limit, last_day=last_day
    )
    return made


@transaction.atomic
def invite_each(
    *,
    project: Project,
    user: User,
    role: str,
    names: Sequence[str],
    to_accounts: bool = False,
    limit: int = 1,
    last_day: datetime.date | None = None,
) -> list[tuple[Invitation, str]]:
    """Create an invitation for each name, "" for a person without one, and return each with the token of its link.

    Raises `ValidationError`, and creates none, if the user would have invited more than `MOST` people in `LIFETIME`, or
    may no longer invite people; if a person of the name is a member or has an open invitation; for a bad last day.
    """
    # A concurrent change of the user's role waits for this lock, and then ends this invitation.
    authors = Membership.objects.who_can(Ability.MEMBERS_CHANGE).filter(project=project, user=user)
    if not user.is_superuser and not authors.select_for_update(no_key=True):
        raise ValidationError(
            gettext("Only %(people)s of this project may invite people.") % {"people": who_may(Ability.MEMBERS_CHANGE)}
        )
    now = timezone.now()
    # A link that ends sooner still counts for the whole time.
    Invitation.objects.filter(Q(limit=1) | Q(created_at__lte=now - LIFETIME), expires_at__lte=now).delete()
    expires_at = expiry(last_day, now)
    if not user.is_superuser:
        _check_number(user, len(names) * limit, now)
    _check_new(project, [name for name in names if name])
    tokens = [secrets.token_urlsafe(32) for _ in names]
    rows = [
        Invitation(
            project=project,
            invited_by=user,
            role=role,
            name=name,
            to_account=to_accounts,
            limit=limit,
            tries_left=TRIES * limit,
            digest=_digest(token),
            expires_at=expires_at,
        )
        for name, token in zip(names, tokens, strict=True)
    ]
    made = list(zip(Invitation.objects.bulk_create(rows), tokens, strict=True))
    after = {"role": role, "invitations": len(names), "people each": limit, "until": expires_at}
    auditlog.record(LogKind.INVITATION_CREATED, project=project, after=after)
    return made


def _check_number(user: User, people: int, now: datetime.datetime) -> None:
    """Raise `ValidationError` if the user would have invited more than `MOST` people in `LIFETIME`."""
    recent = user.invitations.filter(created_at__gt=now - LIFETIME)
    made = recent.aggregate(people=Sum("limit", default=0))["people"]
    if made + people > MOST:
        raise ValidationError(
            ngettext(
                "You have made %(n)s invitation in the last %(days)s days, of %(most)s. Invite at most %(left)s now, "
                "wait, or ask the administrator of this server.",
                "You have made %(n)s invitations in the last %(days)s days, of %(most)s. Invite at most %(left)s now, "
                "wait, or ask the administrator of this server.",
                made,
            )
            % {"n": made, "days": LIFETIME.days, "most": MOST, "left": max(0, MOST - made)}
        )


def _check_new(project: Project, names: Sequence[str]) -> None:
    """Raise `ValidationError` if a member of the project, or an open invitation to it, has one of these names."""
    members = project.memberships.filter(user__username__in=names).values_list("user__username", flat=True)
    if name := members.first():
        raise ValidationError(gettext("%(name)s is a member already. Remove this name.") % {"name": name})
    invited = project.invitations.open().filter(name__in=names).values_list("name", flat=True)
    if name := invited.first():
        raise ValidationError(
            gettext("%(name)s has an open invitation. Withdraw it first, or make a new link for it below.")
            % {"name": name}
        )


def deliver(token: str, address: Callable[[str], str]) -> str:
    """Pass a new invitation on, and return its link. `address` makes a whole address of a path.

    As yet the person who invites sends the link: accounts have no e-mail addresses. A mail would be sent from here.
    """
    return address(reverse("invitation", args=[token]))


@transaction.atomic
def renew(invitation: Invitation) -> str:
    """Give the invitation a new link, and return its token; the old link no longer works. Raises `InvitationOver`."""
    token = secrets.token_urlsafe(32)
    if not Invitation.objects.open().filter(pk=invitation.pk).update(digest=_digest(token)):
        raise InvitationOver
    subject = f"invitation {invitation.pk}"
    auditlog.record(LogKind.INVITATION_RENEWED, project=invitation.project, subject=subject)
    return token


@transaction.atomic
def withdraw(*, project: Project, invitation_id: int) -> bool:
    """Withdraw an open invitation, so that its link no longer works. Return False if the project has none of this
    id.
    """
    if not project.invitations.filter(pk=invitation_id).close():
        return False
    auditlog.record(LogKind.INVITATION_WITHDRAWN, project=project, subject=f"invitation {invitation_id}")
    return True


def find(token: str) -> Invitation | None:
    """Return the open invitation with this token, with its project; None for unknown, used, withdrawn and expired
    ones.
    """
    return Invitation.objects.open().select_related("project").filter(digest=_digest(token)).first()


@transaction.atomic
def join(*, invitation: Invitation, user: User) -> Membership:
    """Make the user a member, and use the invitation once. Raises `InvitationOver` if it is closed or used up.

    A user who is a member already keeps the role, and the invitation is not used. Raises `ProjectFull` for one member
    too many.
    """
    if not Membership.objects.filter(project=invitation.project, user=user).exists():
        check_room(invitation.project)
    membership, created = Membership.objects.get_or_create(
        project=invitation.project, user=user, defaults={"role": invitation.role}
    )
    if created and not Invitation.objects.filter(pk=invitation.pk).use():
        raise InvitationOver
    if created:
        after = {"role": membership.role, "invitation": invitation.pk}
        auditlog.record(LogKind.MEMBER_JOINED, project=invitation.project, who=user, whom=user, after=after)
    return membership


def create_account(*, invitation: Invitation, username: str, password: str | None) -> User:
    """Create an account, and make it a member of the project. An account without a password is for a login provider.

    Each call takes one of the invitation's tries. Raises `InvitationOver` if the invitation is closed or has no tries
    left, `ProjectFull` for one member too many, and `ValidationError` for a taken or invalid username.
    """
    tries = Invitation.objects.filter(pk=invitation.pk, closed_at=None, tries_left__gt=0)
    if not tries.update(tries_left=F("tries_left") - 1):
        raise InvitationOver
    user = User(username=username, password=make_password(password))  # slow by design: hash outside the transaction
    try:
        with transaction.atomic():
            user.clean_fields(exclude=["password"])
            if User.objects.filter(username__iexact=username).exists():  # the same name in other capitals
                raise ValidationError(NAME_REFUSED)
            user.save()
            join(invitation=invitation, user=user)
            auditlog.record(LogKind.ACCOUNT_CREATED, who=user, whom=user)
    except ProjectFull:
        raise
    except (ValidationError, IntegrityError):
        raise ValidationError({"username": NAME_REFUSED}) from None
    return user


def _digest(token: str) -> str:
    """Return the SHA-256 of the token. A token of 256 random bits needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
