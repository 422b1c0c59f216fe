"""Checks the files of projects against their checksums."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from labeling.management.shared import project_named
from labeling.models import Project
from labeling.steps.rebuild import problem_with
from labeling.steps.stored_files import files_of
from labeling.storage.arrays import damage
from labeling.storage.shared_files import StoreAway


class Command(BaseCommand):
    help = (
        "Check every byte of the files of all projects, or of one: features, models, predictions of the pool, "
        "clusterings, items' files, uploads. Prints a line for each damaged or missing file; the exit status is "
        "then 1. People can keep working meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", nargs="?", help="The project. All projects without one.")
        parser.add_argument(
            "--without-media", action="store_true", help="Leave out items' files, which are the largest part."
        )
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="Let a worker rebuild damaged files that can be computed from others.",
        )

    def handle(self, *args: Any, slug: str | None = None, without_media: bool, rebuild: bool, **options: Any) -> None:
        projects = [project_named(slug)] if slug else list(Project.objects.kept().order_by("slug"))
        checked = wrong = 0
        for project in projects:
            names = []
            files = files_of(project, with_media=not without_media)
            for file in tqdm(files, unit=" files", desc=project.slug, disable=None):
                checked += 1
                try:
                    problem = problem_with(project, file)
                except StoreAway as error:
                    raise CommandError(str(error)) from error
                if problem:
                    names.append(file.name)
                    self.stdout.write(f"{project.slug}: {file.name}: {problem}")
            if names and rebuild:
                damage.enqueue_rebuild(project)
            wrong += len(names)
        if wrong:
            raise CommandError(f"{wrong:,} of {checked:,} files are damaged or missing.")
        self.stdout.write(f"{checked:,} files are whole.")
