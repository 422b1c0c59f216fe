"""Makes a user a member of a project."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from knox.models import AuthToken

from labeling.models import Project, Role
from labeling.projects import get_or_create_user, set_role


class Command(BaseCommand):
    help = (
        "Make a user a member of a project, or change the role of one who is. The account is created if there is none: "
        "without --password it can only be used by token."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("username", help="Who. Created if need be.")
        parser.add_argument("--role", required=True, choices=Role.values, help="A manager may do all that others may.")
        parser.add_argument(
            "--password", metavar="P", help="Set this password. Others on this machine may see it while this runs."
        )
        parser.add_argument(
            "--token", action="store_true", help="Make an API token and print it, alone on the last line."
        )

    def handle(
        self, *args: Any, slug: str, username: str, role: str, password: str | None, token: bool, **options: Any
    ) -> None:
        project = Project.objects.filter(slug=slug).first()
        if project is None:
            raise CommandError(f"There is no project {slug!r}. `create_project` makes one.")
        try:
            with transaction.atomic():
                user, created = get_or_create_user(username, password)
                set_role(project=project, user=user, role=role)
                secret = AuthToken.objects.create(user)[1] if token else None
        except ValidationError as error:
            raise CommandError(f"username: {error.messages[0]}") from error
        account = "new account" if created else "existing account"
        self.stdout.write(f"{username} ({account}) is now {role} of {slug}.")
        if secret:
            self.stdout.write(secret)
