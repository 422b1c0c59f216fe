"""Notices: facts that a person of a project is told on the page of notices.

The transaction that causes a notice writes it. The same fact gives a person one notice, whoever writes it how often.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.notice_kinds import NoticeKind
from labeling.models.projects import Project


class NoticeQuerySet(models.QuerySet["Notice"]):
    def tell_members(self, kind: NoticeKind, project: Project, *, number: int | None = None, about: str = "") -> None:
        """Store a notice for each member with the kind's ability. Call inside the transaction that causes it.

        `number`: of the batch, model version or import. `about` tells this fact from others of the kind in the project;
        without it the number does. Paused members get no notice of tasks, which they do not get either.
        """
        assert kind.ability is not None
        members = project.memberships.who_can(kind.ability).filter(user__is_active=True)
        if kind == NoticeKind.BATCH_READY:
            members = members.filter(paused_at=None)
        # In one order everywhere: transactions that store the same notices wait for each other, not in a circle.
        self._store(kind, project, members.order_by("user").values_list("user", flat=True), number, about)

    def tell_person(self, kind: NoticeKind, project: Project, user: Any, *, about: str) -> None:
        """Store a notice for one person. Call inside the transaction that causes it."""
        self._store(kind, project, [user.pk], None, about)

    def _store(self, kind: NoticeKind, project: Project, users: Iterable[int], number: int | None, about: str) -> None:
        facts = {"project": project, "kind": kind, "number": number, "created_at": timezone.now()}
        key = f"{kind} {project.pk} {about or number}"
        self.bulk_create((self.model(user_id=user, key=key, **facts) for user in users), ignore_conflicts=True)

    def shown_to(self, user: Any) -> NoticeQuerySet:
        """Return the person's notices of projects that are not deleted and that the person is still a member of."""
        return self.filter(user=user, project__deleted_at=None, project__memberships__user=user)

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
    number = models.PositiveBigIntegerField(null=True, help_text="Of the batch, model version or import.")
    key = models.CharField(max_length=120, help_text="The same for all who are told the same fact.")
    created_at = models.DateTimeField(db_index=True)
    read_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_notice_of_a_fact")]
        indexes = [models.Index(fields=["user"], condition=Q(read_at=None), name="notice_unread")]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user}"
