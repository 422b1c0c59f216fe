"""Adds a user to a project."""

import datetime
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from knox.models import AuthToken

from labeling.management.shared import project_named
from labeling.models import Role
from labeling.projects.people.members import get_or_create_user, new_token, set_role

# A year, as on the account page.
TOKEN_DAYS = 365
MAX_TOKEN_DAYS = 3650


class Command(BaseCommand):
    help = (
        "Add a user to a project, or change the role of a member. Creates the account if needed; without "
        "--password, it can only be used by token."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("username", help="The username. The account is created if needed.")
        parser.add_argument("--role", required=True, choices=Role.values, help="A manager may do everything.")
        parser.add_argument(
            "--password",
            metavar="P",
            help="Set this password; sessions and API tokens of the account end. Other users of this machine may "
            "see it while the command runs.",
        )
        parser.add_argument(
            "--token", action="store_true", help="Make an API token and print it, alone on the last line."
        )
        parser.add_argument(
            "--token-days",
            type=int,
            metavar="N",
            help=f"With --token: it expires after so many days, {MAX_TOKEN_DAYS} at most. Default: {TOKEN_DAYS}.",
        )

    def handle(
        self, *args: Any, slug: str, username: str, role: str, password: str | None, token: bool, **options: Any
    ) -> None:
        days = _token_days(options["token_days"], token)
        project = project_named(slug)
        try:
            with transaction.atomic():
                tokens = AuthToken.objects.filter(user__username=username).count() if password else 0
                user, created = get_or_create_user(username, password)
                secret = new_token(user, datetime.timedelta(days=days)) if token else None
                set_role(project=project, user=user, role=role)
        except ValidationError as error:
            raise CommandError(f"username: {error.messages[0]}") from error
        account = "new account" if created else "existing account"
        self.stdout.write(f"{username} ({account}) is now {role} of {slug}.")
        if tokens:
            self.stdout.write(f"The password is new, so {tokens} API token{'s' * (tokens > 1)} of {username} ended.")
        if secret:
            self.stdout.write(secret)


def _token_days(days: int | None, token: bool) -> int:
    if days is None:
        return TOKEN_DAYS
    if not token:
        raise CommandError("token-days: give --token too; without it no token is made.")
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise CommandError(f"token-days: give a number of days from 1 to {MAX_TOKEN_DAYS}.")
    return days
