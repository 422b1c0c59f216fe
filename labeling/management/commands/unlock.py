"""Lets people who were locked out after failed sign-ins try again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from labeling.management.shared import account_named
from labeling.models import LogKind, SignInFailure
from labeling.observing import auditlog


class Command(BaseCommand):
    help = "Let people sign in again at once who were locked out after too many failed sign-ins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", help="The person. Default: everybody.")

    @transaction.atomic
    def handle(self, *args: Any, username: str | None, **options: Any) -> None:
        user = None if username is None else account_named(username)
        failures = SignInFailure.objects.all() if user is None else SignInFailure.objects.filter(user=user)
        failures.delete()
        auditlog.record(LogKind.UNLOCKED, whom=user, subject="" if user else "everybody")
        self.stdout.write(f"{username or 'Everybody'} can sign in again.")
