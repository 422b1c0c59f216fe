"""Accounts and roles as managers give them: writes that span tables."""

from __future__ import annotations

import secrets

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction

from labeling import projects
from labeling.models import Membership, Project, User

# Nothing that looks like something else when it is written down: no 0 and o, no 1, i and l.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP_LENGTH = 4, 4


def new_password() -> str:
    """A password of 79 bits that can be read out: abcd-efgh-jkmn-pqrs."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)


def create_account(*, project: Project, username: str, role: str) -> tuple[User, str]:
    """A new account that is a member of the project, and its password. Raises `ValidationError` on the username."""
    password = new_password()
    hashed = make_password(password)  # slow by design: not while the database is locked
    with transaction.atomic():
        user, created = projects.get_or_create_user(username)
        if not created:
            raise ValidationError({"username": "This username is taken. Choose another one."})
        alike = User.objects.filter(username__iexact=username).exclude(pk=user.pk).first()
        if alike is not None:
            said = f"There is an account {alike.username}, which differs by capitals alone. Choose another name."
            raise ValidationError({"username": said})
        user.password = hashed
        user.save(update_fields=["password"])
        projects.set_role(project=project, user=user, role=role)
    return user, password


@transaction.atomic
def add_member(*, project: Project, username: str, role: str) -> Membership:
    """Make somebody who has an account a member. Raises `ValidationError` on the username."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise ValidationError({"username": "There is no account of this name. Check the spelling, or create one."})
    present = Membership.objects.filter(project=project, user=user).first()
    if present is not None:
        raise ValidationError({"username": f"Already a member, as {present.role}. Change the role in the list."})
    return projects.set_role(project=project, user=user, role=role)
