"""Creates an account with all rights, as Django's command, and records it in the audit log."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.db.models import Max

from labeling.models import LogKind, User
from labeling.observing import auditlog


class Command(createsuperuser.Command):
    help = "Create an account with all rights. The audit log records it."

    def handle(self, *args: Any, **options: Any) -> None:
        newest = User.objects.aggregate(newest=Max("pk"))["newest"] or 0
        # Not in one transaction with the entry, which would hold others up while somebody types a password.
        super().handle(*args, **options)
        for user in User.objects.filter(pk__gt=newest, is_superuser=True):
            auditlog.record(LogKind.ACCOUNT_CREATED, whom=user, after={"is_superuser": True})
