"""Changes the encoder of a project whose items are encoded."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labeling.management.arguments import project_named
from labeling.projects.encoders import encoder_change
from labeling.projects.encoders.encoder_change import ChangeRefused


class Command(BaseCommand):
    help = "Let a worker encode all items with another encoder, from which the next model version learns."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--encoder", metavar="NAME", help="The new encoder.")
        what.add_argument("--keep", action="store_true", help="Withdraw the change, if it is not carried out yet.")
        parser.add_argument("--encoder-options", metavar="JSON", default="{}", help="The options of the new encoder.")

    def handle(
        self, *args: Any, slug: str, encoder: str | None, encoder_options: str, keep: bool, **options: Any
    ) -> None:
        project = project_named(slug)
        try:
            if keep:
                encoder_change.withdraw(project=project)
                self.stdout.write("The project keeps its encoder.")
                return
            choice = {"name": encoder, "options": json.loads(encoder_options)}
            encoder_change.ask(project=project, choice=choice, user=None)
        except json.JSONDecodeError as error:
            raise CommandError(f"encoder-options: this is not JSON: {error}.") from error
        except (ChangeRefused, ValidationError) as error:
            raise CommandError(error.messages[0] if isinstance(error, ValidationError) else str(error)) from error
        self.stdout.write("A worker encodes all items; the next version trained after that learns from them.")
