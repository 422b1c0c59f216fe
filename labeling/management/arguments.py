"""Projects and model versions that the arguments of commands name."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labeling.models import ModelVersion, Project, User
from labeling.projects.version_in_use import in_use


def project_named(slug: str) -> Project:
    """Return the project. Raises `CommandError` if it does not exist."""
    project = Project.objects.kept().filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no project {slug!r}. `create_project` makes one.")
    return project


def account_named(username: str) -> User:
    """Return the account. Raises `CommandError` if it does not exist."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"username: there is no account {username!r}.")
    return user


class VersionCommand(BaseCommand):
    """A command that takes a project and, with `--version`, the number of one of its model versions."""

    which = "The model version; the one that picks the next batch if left out."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django has an option `--version` of its own; here it names the model version.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("--version", type=int, metavar="V", help=self.which)

    def find(self, slug: str, number: int | None) -> tuple[Project, ModelVersion]:
        """Return the project and the chosen version. Raises `CommandError` if either does not exist."""
        project = project_named(slug)
        used = in_use(project)
        if used is None:
            raise CommandError(f"{slug} has no model version yet: the first is trained when the first batch is done.")
        version = used.version if number is None else project.versions.filter(number=number).first()
        if version is None:
            raise CommandError(f"{slug} has no model version {number}: there are 1 to {used.newest.number}.")
        return project, version
