"""Exports the labels to a file or to standard output."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from labeling.labels.items.filter import FilterError
from labeling.management.shared import format_of, project_named, to_standard_output, written_whole
from labeling.models import LogKind, Project
from labeling.observing import auditlog
from labeling.outgoing.exports import FILTERS, Choice, choose, count_rows, export, formats_of
from labeling.outgoing.formats import DEFAULT, EXPORTS
from labeling.storage.disk.files import FileDamaged


class Command(BaseCommand):
    requires_system_checks = ()  # they load the pages, which takes a second
    help = (
        "Export the labeled items, one row each, with every annotation and where it came from. The file appears under "
        "its name only when it is whole. Columns: docs/reference/export.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument(
            "--format",
            choices=list(EXPORTS),
            help=f"Left out, it follows from the ending of the output file, and is {DEFAULT} otherwise.",
        )
        parser.add_argument("--output", default="-", metavar="PATH", help="The file to write; - is standard output.")
        for name, each in FILTERS.items():
            value: dict[str, Any] = {"metavar": each.metavar} if each.metavar else {"action": "store_true"}
            parser.add_argument(f"--{name}", help=each.meaning.replace("`", ""), **value)

    def handle(self, *args: Any, slug: str, format: str | None, output: str, **options: Any) -> None:
        project = project_named(slug)
        try:
            choice = choose(project, {name: options[name] for name in FILTERS})
        except FilterError as error:
            name, text = next(iter(error.fields.items()))
            raise CommandError(f"--{name}: {text}") from None
        name = format or format_of(output, EXPORTS)
        if name not in formats_of(project):
            holds = EXPORTS[name].holds
            raise CommandError(
                f"--format: {name} holds {holds}, and the items of {slug} are none. Choose another format."
            )
        auditlog.record(LogKind.LABELS_EXPORTED, project=project, after={"format": name})
        try:
            self._write(project, name, choice, output)
        except FileDamaged as damage:
            raise CommandError(str(damage)) from None

    def _write(self, project: Project, name: str, choice: Choice, output: str) -> None:
        if output == "-":
            to_standard_output(self.stdout, export(project, name, choice), name)
            return
        total = count_rows(project, choice)
        with (
            written_whole(Path(output)) as file,
            tqdm(total=total, unit=" rows", unit_scale=True, disable=None, leave=False) as bar,
        ):
            written = 0  # answers may arrive during the export, so the number is known at its end

            def count(rows: int) -> None:
                nonlocal written
                written += rows
                bar.update(rows)

            for chunk in export(project, name, choice, progress=count):
                file.write(chunk)
        self.stdout.write(f"{written} {'row' if written == 1 else 'rows'} written to {output}")
