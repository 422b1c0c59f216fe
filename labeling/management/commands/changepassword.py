"""Sets an account's password, as Django's command, and records it in the audit log."""

from getpass import getuser
from typing import Any

from django.contrib.auth.management.commands import changepassword

from labeling.models import LogKind, User
from labeling.observing import auditlog


class Command(changepassword.Command):
    help = "Set an account's password; its sessions and API tokens end. The audit log records it."

    def handle(self, *args: Any, **options: Any) -> str:
        username = options["username"] or getuser()
        said = super().handle(*args, **{**options, "username": username})
        # Not in one transaction with the entry, which would hold others up while somebody types a password.
        auditlog.record(LogKind.PASSWORD_CHANGED, whom=User.objects.get(username=username))
        return str(said)
