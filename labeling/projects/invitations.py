"""Invitations: a manager creates a link, and a person who opens the link joins the project in the link's role.

So managers can add people without learning which accounts the server has.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from labeling.models import Ability, Invitation, Membership, Project, User
from labeling.models.roles import who_may

LIFETIME = datetime.timedelta(days=7)
# Invitations that one manager may have at a time. A guess of a free username uses up an invitation, so this also
# limits such guesses.
MOST = 100
# The same text for taken and for invalid usernames, so that it does not reveal which accounts exist.
NAME_REFUSED = "This name cannot be used here. Choose another one."


class InvitationOver(Exception):
    """The invitation was used, was withdrawn or has expired."""


@transaction.atomic
def invite(*, project: Project, user: User, role: str) -> tuple[Invitation, str]:
    """Create an invitation by `user`, and return it with the token of its link.

    Raises `ValidationError` if the user has `MOST` invitations, or may no longer invite people.
    """
    # A concurrent change of the user's role waits for this lock, and then ends this invitation.
    authors = Membership.objects.who_can(Ability.MEMBERS_CHANGE).filter(project=project, user=user)
    if not user.is_superuser and not authors.select_for_update(no_key=True):
        raise ValidationError(f"Only {who_may(Ability.MEMBERS_CHANGE)} of this project may invite people.")
    now = timezone.now()
    Invitation.objects.filter(expires_at__lte=now).delete()
    if not user.is_superuser and user.invitations.count() >= MOST:
        raise ValidationError(
            f"You have made {MOST} invitations in the last {LIFETIME.days} days. Wait, or ask whoever runs this server."
        )
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        project=project, invited_by=user, role=role, digest=_digest(token), expires_at=now + LIFETIME
    )
    return invitation, token


def find(token: str) -> Invitation | None:
    """Return the open invitation with this token, with its project; None for unknown, used, withdrawn and expired
    ones.
    """
    return Invitation.objects.open().select_related("project").filter(digest=_digest(token)).first()


@transaction.atomic
def join(*, invitation: Invitation, user: User) -> Membership:
    """Make the user a member, and close the invitation. Raises `InvitationOver` if it is closed.

    A user who is a member already keeps the role, and the invitation stays open.
    """
    membership, created = Membership.objects.get_or_create(
        project=invitation.project, user=user, defaults={"role": invitation.role}
    )
    if created and not Invitation.objects.filter(pk=invitation.pk).close():
        raise InvitationOver
    return membership


def create_account(*, invitation: Invitation, username: str, password: str | None) -> User:
    """Create an account, and make it a member of the project. An account without a password is for a login provider.

    Each call takes one of the invitation's tries. Raises `InvitationOver` if the invitation is closed or has no tries
    left, and `ValidationError` for a taken or invalid username.
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
    except (ValidationError, IntegrityError):
        raise ValidationError({"username": NAME_REFUSED}) from None
    return user


def _digest(token: str) -> str:
    """Return the SHA-256 of the token. A token of 256 random bits needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
