"""Projects and model versions that the arguments of commands name, and the tables that commands write."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from labeling.models import ModelVersion, Project, User
from labeling.outgoing.formats import DEFAULT, EXPORTS, FORMATS
from labeling.projects.version_in_use import in_use
from labeling.storage.disk.files import replacing


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


def format_of(output: str, formats: Collection[str] = tuple(FORMATS)) -> str:
    """Return the format for the ending of a file's name; the default for other endings and for standard output."""
    matching = [name for name in formats if output.lower().endswith(EXPORTS[name].suffix)]
    return max(matching, key=lambda name: len(EXPORTS[name].suffix), default=DEFAULT)


def to_standard_output(stdout: OutputWrapper, chunks: Iterable[bytes], format_name: str) -> None:
    """Write the chunks until the reader closes the pipe. Raises `CommandError` for binary chunks on a terminal."""
    form = EXPORTS[format_name]
    if not form.is_text and stdout.isatty():
        raise CommandError(f"{form.title} is no text to show on a terminal: name a file with --output.")
    out = cast("IO[bytes]", stdout.buffer)
    try:
        for chunk in chunks:
            out.write(chunk)
        out.flush()
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`). Python must not flush again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` only after the block ends without an error. Raises `CommandError` for a bad
    path.
    """
    try:
        if path.is_dir():
            raise CommandError(f"{path} is a folder: name a file in it.")
        if path.exists() and not path.is_file():
            raise CommandError(f"{path} is no ordinary file: use --output - and a redirection.")
        path.parent.resolve(strict=True)  # a folder that is misspelt is not made
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error
