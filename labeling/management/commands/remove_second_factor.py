"""Removes the second factors of a person who lost them."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.management.shared import account_named
from labeling.projects.people import second_factors


class Command(BaseCommand):
    help = "Remove the second factors of a person who lost them; the person is signed out everywhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="The person.")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        if not second_factors.remove_factors(account_named(username)):
            raise CommandError(f"{username} has no second factor.")
        self.stdout.write(f"{username} signs in with the password alone, and is signed out everywhere.")
