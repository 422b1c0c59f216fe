"""Notices: facts about a project, each for one person.

The transaction that causes a notice writes it. The same fact gives a person one notice, however often it is written.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext

from labeling.models.accounts import User
from labeling.models.notice_kinds import Mail, NoticeKind
from labeling.models.projects import Project
from labeling.models.roles import Ability, roles_with

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a person is told of notices of a kind."""

    page: bool
    mail: Mail


def choice_of(user: User, kind: NoticeKind) -> Choice:
    """Return the person's choice, or the default."""
    page, mail = user.notice_choices.get(kind, [True, Mail.DAILY])
    return Choice(page, Mail(mail))


def grouped(notices: Iterable[Notice]) -> list[list[Notice]]:
    """Group notices of the same kind and project. The groups, and the notices in each, keep their order."""
    groups: dict[tuple[int, str], list[Notice]] = {}
    for each in notices:
        groups.setdefault((each.project_id, each.kind), []).append(each)
    return list(groups.values())


class NoticeQuerySet(models.QuerySet["Notice"]):
    def tell_members(self, kind: NoticeKind, project: Project, *, number: int | None = None, about: str = "") -> None:
        """Store a notice for each member with the kind's ability. Call inside the transaction that causes it.

        `number`: of the batch, model version, certificate or import. `about` tells this fact from others of the kind in
        the project; without it the number does. Paused members get no notice of tasks, which they do not get either.
        """
        assert kind.ability is not None
        members = project.memberships.who_can(kind.ability).filter(user__is_active=True)
        if kind == NoticeKind.BATCH_READY:
            members = members.filter(paused_at=None)
        # In one order everywhere: transactions that store the same notices wait for each other, not in a circle.
        self._store(kind, project, members.order_by("user").values_list("user", flat=True), number, about)

    def tell_person(self, kind: NoticeKind, project: Project, user: User, *, about: str) -> None:
        """Store a notice for one person. Call inside the transaction that causes it."""
        self._store(kind, project, [user.pk], None, about)

    def _store(self, kind: NoticeKind, project: Project, users: Iterable[int], number: int | None, about: str) -> None:
        if kind.replaces is not None:
            self.filter(project=project, kind=kind.replaces, number=number).delete()
        facts = {"project": project, "kind": kind, "number": number, "created_at": timezone.now()}
        key = f"{kind} {project.pk} {about or number}"
        self.bulk_create((self.model(user_id=user, key=key, **facts) for user in users), ignore_conflicts=True)

    def of(self, user: User) -> NoticeQuerySet:
        """Return the person's notices of projects that are not deleted, if the person's role there still opens their
        pages.
        """
        opened = Q()
        for kind in NoticeKind:
            ability = kind.ability or Ability.TASKS_ANSWER  # what is for one person is about answers
            opened |= Q(kind=kind, project__memberships__role__in=roles_with(ability))
        return self.filter(opened, user=user, project__deleted_at=None, project__memberships__user=user)

    def shown_to(self, user: User) -> NoticeQuerySet:
        """Return the notices of the kinds that the person wants on the page."""
        return self.of(user).exclude(kind__in=[kind for kind in NoticeKind if not choice_of(user, kind).page])

    def to_mail(self, mailbox: Mailbox, now: datetime.datetime) -> NoticeQuerySet:
        """Return the unread notices that are due by e-mail and that no mail has yet, the oldest first."""
        assert mailbox.confirmed_at is not None
        kinds = {mail: [kind for kind in NoticeKind if choice_of(mailbox.user, kind).mail == mail] for mail in Mail}
        last_daily = now - (now - mailbox.confirmed_at) % DAY
        due = Q(kind__in=kinds[Mail.AT_ONCE]) | Q(kind__in=kinds[Mail.DAILY], created_at__lt=last_daily)
        new = self.of(mailbox.user).unread().filter(mail=None, created_at__gte=mailbox.confirmed_at)
        return new.filter(due).order_by("pk")

    def unread(self) -> NoticeQuerySet:
        return self.filter(read_at=None)

    def mark_read(self) -> int:
        """Mark the notices as read. Return the number of notices that were unread."""
        return self.unread().update(read_at=timezone.now())


class Notice(models.Model):
    """One fact for one person."""

    KEPT = datetime.timedelta(days=90)

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=40)
    number = models.PositiveBigIntegerField(null=True, help_text="Of the batch, model version, certificate or import.")
    key = models.CharField(max_length=120, help_text="The same for all who are told the same fact.")
    created_at = models.DateTimeField(db_index=True)
    read_at = models.DateTimeField(null=True)
    mail = models.UUIDField(null=True, help_text="The mail that tells it.")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_notice_of_a_fact")]
        indexes = [models.Index(fields=["user"], condition=Q(read_at=None), name="notice_unread")]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user}"

    @property
    def sentence(self) -> str:
        """The notice in the present language."""
        return gettext(NoticeKind(self.kind).text).format(number=self.number)

    @property
    def address(self) -> str:
        """The path of the page of its subject."""
        return address_of(self.kind, self.project.slug, self.number)


def address_of(kind: str, slug: str, number: int | None) -> str:
    """Return the path of the page of a notice's subject."""
    return NoticeKind(kind).address.format(project=slug, number=number)


class MailboxQuerySet(models.QuerySet["Mailbox"]):
    def due(self, now: datetime.datetime) -> MailboxQuerySet:
        """Return mailboxes of active accounts with a mail that was not sent yet, or with unread notices without one;
        not those that a worker holds, or whose last mail failed a short time ago.
        """
        unread = Notice.objects.unread().filter(user=OuterRef("user"), mail=None)
        waits = Q(mail__isnull=False) | Q(reset_mail__isnull=False) | Q(Exists(unread), confirmed_at__isnull=False)
        return self.filter(waits, user__is_active=True, next_at__lte=now).not_held(now)

    def not_held(self, now: datetime.datetime) -> MailboxQuerySet:
        return self.filter(Q(held_until=None) | Q(held_until__lte=now))


class Mailbox(models.Model):
    """The address to which a person wants notices, and links to set a new password, by e-mail.

    Until it is confirmed, it gets only the link for that.
    """

    admin_columns = ("user", "confirmed_at", "failing_since", "error")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mailbox")
    address = models.EmailField(max_length=254)
    asked_at = models.DateTimeField(help_text="When the link to confirm the address was asked for.")
    confirmed_at = models.DateTimeField(null=True, help_text="Daily mails come at this time of the day.")
    mail = models.UUIDField(null=True, help_text="The mail that is to be sent; each try has this id.")
    reset_asked_at = models.DateTimeField(null=True, help_text="When a link to set a new password was asked for.")
    reset_mail = models.UUIDField(null=True, help_text="The mail with that link, until it is sent.")
    held_by = models.CharField(max_length=32, blank=True, help_text="The try that a worker makes now.")
    held_until = models.DateTimeField(null=True, help_text="Then another worker tries again.")
    next_at = models.DateTimeField(help_text="When it may be tried.")
    failures = models.PositiveIntegerField(default=0, help_text="Of the present mail.")
    failing_since = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True, help_text="Why the last try failed.")

    objects = MailboxQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "mailboxes"

    def __str__(self) -> str:
        return f"mailbox of {self.user}"
