"""Lets people who were locked out after failed sign-ins try again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.models import SignInFailure, User


class Command(BaseCommand):
    help = "Let people sign in again at once who were locked out after too many failed sign-ins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", help="The person. Default: everybody.")

    def handle(self, *args: Any, username: str | None, **options: Any) -> None:
        failures = SignInFailure.objects.all()
        if username is not None:
            if not User.objects.filter(username=username).exists():
                raise CommandError(f"username: there is no account {username!r}.")
            failures = failures.filter(user__username=username)
        failures.delete()
        self.stdout.write(f"{username or 'Everybody'} can sign in again.")
