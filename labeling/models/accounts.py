"""User accounts, memberships in projects, invitations, and the traces of sign-ins and tokens."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone
from knox.models import AuthToken

from labeling.models import roles
from labeling.models.roles import ROLES, Ability, roles_with, roles_without


class User(AbstractUser):
    """A person or a program with an account.

    Every change of the password deletes the user's API tokens: a stranger who knew the old password may have made them.
    Django ends the sessions, which depend on the password's hash.
    """

    _same_password = False

    notice_choices = models.JSONField(
        default=dict,
        db_default={},
        editable=False,
        help_text="By kind of notice: whether it is shown on the page, and when it is mailed.",
    )
    language = models.CharField(
        max_length=10,
        blank=True,
        db_default="",
        help_text="Of pages and mails; empty for that of the browser.",
    )
    browser_language = models.CharField(
        max_length=10,
        blank=True,
        db_default="",
        editable=False,
        help_text="Of the browser at the last sign-in, for mails; empty for English.",
    )

    @property
    def mail_language(self) -> str:
        """The language of mails: the account's choice, or else that of the browser at the last sign-in."""
        return self.language or self.browser_language or settings.LANGUAGE_CODE

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **more: Any) -> None:
        if self._state.adding or self._same_password or (update_fields is not None and "password" not in update_fields):
            super().save(*args, update_fields=update_fields, **more)
            return
        with transaction.atomic():
            changed = User.objects.filter(pk=self.pk).exclude(password=self.password).exists()
            super().save(*args, update_fields=update_fields, **more)
            if changed:
                AuthToken.objects.filter(user=self).delete()

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether `raw_password` is the user's password. If Django stores a stronger hash of it, the tokens
        stay.
        """
        self._same_password = True
        try:
            return super().check_password(raw_password)
        finally:
            self._same_password = False


MAX_GROUP = 40
MAX_DAILY_LIMIT = 100_000


class MembershipQuerySet(models.QuerySet["Membership"]):
    def who_can(self, ability: Ability) -> MembershipQuerySet:
        """Return members whose role has the ability."""
        return self.filter(role__in=roles_with(ability))

    def annotators(self) -> MembershipQuerySet:
        """Return members who may get tasks: their role allows it and their account is active."""
        return self.who_can(Ability.TASKS_ANSWER).filter(user__is_active=True)

    def pausable(self) -> MembershipQuerySet:
        """Return members whom gold answers can pause: all but those who decide about pauses."""
        return self.filter(role__in=roles_without(Ability.MEMBERS_CHANGE))


class Membership(models.Model):
    """One user's role in one project. Users without a membership cannot see the project."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=roles.choices)
    group = models.CharField(max_length=MAX_GROUP, blank=True, help_text="Parts of a batch can be kept for a group.")
    daily_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_DAILY_LIMIT)],
        help_text="Answers a day; if empty, as the project's setting says.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="The time since which they get no tasks, until a manager decides."
    )
    pause_reason = models.CharField(max_length=300, blank=True)
    looked_at = models.DateTimeField(
        null=True, blank=True, help_text="When a manager ended a pause: earlier gold answers no longer count."
    )
    accuracy = models.FloatField(
        null=True,
        blank=True,
        help_text="The share of their answers that are right, estimated from the agreement with others.",
    )
    asked_in_doubt = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Whether they get items that others answered and whose label is in doubt.",
    )
    waiting_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The time since which they have asked for items and got none."
    )

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="one_role_per_project")]

    def __str__(self) -> str:
        return f"{self.user} as {self.role}"

    @property
    def abilities(self) -> frozenset[Ability]:
        return ROLES[self.role].abilities

    def can(self, ability: Ability) -> bool:
        """Return whether the member's role has the ability."""
        return ability in self.abilities


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> InvitationQuerySet:
        """Return invitations that can still be used: not closed or expired, with tries left, by an author who may still
        invite, in a project that is neither archived nor deleted.
        """
        return self.filter(
            self._author_may_invite(),
            closed_at=None,
            project__archived_at=None,
            project__deleted_at=None,
            expires_at__gt=timezone.now(),
            tries_left__gt=0,
        )

    def end_without_author(self) -> int:
        """Close invitations whose author may not invite any more, and return their number. They stay closed if the
        author becomes a manager again.
        """
        return self.filter(~self._author_may_invite(), closed_at=None).update(closed_at=timezone.now())

    @staticmethod
    def _author_may_invite() -> Q:
        authors = Membership.objects.who_can(Ability.MEMBERS_CHANGE).filter(
            project=OuterRef("project"), user=OuterRef("invited_by")
        )
        return Q(Exists(authors) | Q(invited_by__is_superuser=True), invited_by__is_active=True)

    def addressed_to(self, user: User) -> InvitationQuerySet:
        """Open invitations to this account, without those that the user has declined or does not need.

        An account that is younger than the invitation gets none: its owner may only have guessed the name.
        """
        return self.open().filter(
            ~Exists(user.memberships.filter(project=OuterRef("project"))),
            to_account=True,
            name=user.username,
            declined_at=None,
            created_at__gte=user.date_joined,
        )

    def close(self) -> bool:
        """Close the selected invitation, at its withdrawal. Return False if it is closed or expired already."""
        now = timezone.now()
        return self.filter(closed_at=None, expires_at__gt=now).update(closed_at=now) == 1

    def use(self) -> bool:
        """Count one more person; the last one closes the selected invitation. Return False if it is over already."""
        now = timezone.now()
        last = When(used__gte=F("limit") - 1, then=Value(now))
        left = self.filter(closed_at=None, expires_at__gt=now, used__lt=F("limit"))
        return left.update(used=F("used") + 1, closed_at=Case(last, default=None)) == 1


class Invitation(models.Model):
    """An invitation link by which people may join the project. Only a digest of the link's token is stored.

    Rows of closed invitations stay until they expire, because they count towards the limit of invitations per manager.
    """

    MAX_NAME = 254  # an e-mail address

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=10, choices=roles.choices)
    name = models.CharField(
        max_length=MAX_NAME, blank=True, db_default="", help_text="The person, as the inviting manager wrote the name."
    )
    to_account = models.BooleanField(
        default=False, db_default=False, help_text="Whether the account of this name finds it on its home page."
    )
    declined_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When that account declined it. Managers do not see this.",
    )
    limit = models.PositiveIntegerField(default=1, db_default=1, help_text="The people who may join with it.")
    used = models.PositiveIntegerField(default=0, db_default=0, help_text="The people who have joined with it.")
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True, help_text="When it was used or withdrawn.")
    tries_left = models.PositiveSmallIntegerField(
        default=10, help_text="Each try to make an account with it takes one, so that names cannot be listed."
    )

    objects = InvitationQuerySet.as_manager()

    def __str__(self) -> str:
        return f"invitation {self.pk} as {self.role}"


class SignInFailureQuerySet(models.QuerySet["SignInFailure"]):
    def recent(self) -> SignInFailureQuerySet:
        """Return the failures that count: those within `LOGIN_COOL_OFF_MINUTES`."""
        return self.filter(at__gt=_cool_off_began())

    def outdated(self) -> SignInFailureQuerySet:
        return self.filter(at__lte=_cool_off_began())


class SignInFailure(models.Model):
    """One failed sign-in. Of the typed name only a keyed hash is stored: people sometimes type their password there."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, help_text="The account of the typed name.")
    name_hash = models.CharField(max_length=64)
    client = models.CharField(max_length=45, help_text="The address, or the first of an IPv6 network.")
    device = models.CharField(max_length=64, blank=True, help_text="The browser, if it is known.")
    at = models.DateTimeField(default=timezone.now)

    objects = SignInFailureQuerySet.as_manager()
    admin_columns = ("user", "client", "at")

    class Meta:
        indexes = [
            models.Index(fields=["client", "at"], name="failure_by_client"),
            models.Index(fields=["name_hash", "at"], name="failure_by_name"),
        ]

    def __str__(self) -> str:
        return f"failed sign-in {self.pk}"


class TokenUse(models.Model):
    """The last use of an API token, up to a few minutes."""

    token = models.OneToOneField(AuthToken, primary_key=True, on_delete=models.CASCADE, related_name="last_use")
    at = models.DateTimeField()
    client = models.CharField(max_length=45, help_text="The address.")
    agent = models.CharField(max_length=200, blank=True, help_text="The program, as it names itself.")

    def __str__(self) -> str:
        return f"use of token {self.token_id[:8]}"


class CacheEntry(models.Model):
    """The table of Django's cache in the database."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.cache_key


def _cool_off_began() -> datetime.datetime:
    return timezone.now() - datetime.timedelta(minutes=settings.LOGIN_COOL_OFF_MINUTES)
