"""Makes previews of images that have none."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from labeling import kinds
from labeling.intake.previews import Made, make_previews
from labeling.management.shared import project_named
from labeling.models import Project
from labeling.projects import quota


class Command(BaseCommand):
    help = (
        "Make the previews and thumbnails that large images lack because they were imported by a release that made "
        "none. It can be stopped and repeated. People can keep labeling meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", nargs="?", help="The project. All projects of images without one.")

    def handle(self, *args: Any, slug: str | None = None, **options: Any) -> None:
        projects = [project_named(slug)] if slug else Project.objects.kept().order_by("slug")
        for project in projects:
            if kinds.of(project).is_picture:
                self._make(project)
            elif slug:
                self.stdout.write(f"{project.slug}: its items are no images.")

    def _make(self, project: Project) -> None:
        made = Made()
        with tqdm(unit=" images", desc=project.slug, disable=None) as bar:
            for made in make_previews(project):
                bar.update(made.images - bar.n)
        unreadable = f", {made.unreadable:,} cannot be read" if made.unreadable else ""
        self.stdout.write(
            f"{project.slug}: {made.images:,} images, smaller pictures made of {made.pictures:,} "
            f"({quota.shown(made.bytes)}){unreadable}."
        )
