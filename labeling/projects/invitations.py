"""Invitations: a manager makes a link, and whoever has it joins the project in the link's role.

Managers add people without knowing, or finding out, the names of accounts.
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
# What one manager may make in the lifetime of an invitation. A free name that is guessed uses an invitation up, so
# this also bounds how many names can be guessed.
MOST = 100
# The same for every name that is well-formed: nobody learns which of them have an account.
NAME_REFUSED = "This name cannot be used here. Choose another one."


class InvitationOver(Exception):
    """The invitation was used, was withdrawn or has expired."""


@transaction.atomic
def invite(*, project: Project, user: User, role: str) -> tuple[Invitation, str]:
    """A new invitation by `user`, and the token of its link. Raises `ValidationError` if there are too many, or if the
    user has just stopped being a manager.
    """
    # The lock makes a change of the role wait, which then ends this invitation too.
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
    """The open invitation of this token, with its project. All that is not open is None alike."""
    return Invitation.objects.open().select_related("project").filter(digest=_digest(token)).first()


@transaction.atomic
def join(*, invitation: Invitation, user: User) -> Membership:
    """Make the user a member, and use the invitation up. Raises `InvitationOver`.

    A member keeps the present role, and the invitation stays open.
    """
    membership, created = Membership.objects.get_or_create(
        project=invitation.project, user=user, defaults={"role": invitation.role}
    )
    if created and not Invitation.objects.filter(pk=invitation.pk).close():
        raise InvitationOver
    return membership


def create_account(*, invitation: Invitation, username: str, password: str | None) -> User:
    """A new account that is a member of the project; without a password, for a login provider to sign in.

    Each call takes one of the invitation's tries. Raises `InvitationOver`, or `ValidationError` on the username.
    """
    tries = Invitation.objects.filter(pk=invitation.pk, closed_at=None, tries_left__gt=0)
    if not tries.update(tries_left=F("tries_left") - 1):
        raise InvitationOver
    user = User(username=username, password=make_password(password))  # slow by design: before the database is locked
    try:
        with transaction.atomic():
            user.clean_fields(exclude=["password"])
            if User.objects.filter(username__iexact=username).exists():  # differing by capitals alone
                raise ValidationError(NAME_REFUSED)
            user.save()
            join(invitation=invitation, user=user)
    except (ValidationError, IntegrityError):
        raise ValidationError({"username": NAME_REFUSED}) from None
    return user


def _digest(token: str) -> str:
    """The token has 256 random bits: it needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
