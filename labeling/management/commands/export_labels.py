"""Writes the labels to a file or to standard output."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from labeling.management.finding import project_named
from labeling.management.output import format_of, to_standard_output, written_whole
from labeling.outgoing.exports import FILTERS, ChoiceError, choose, count_rows, export
from labeling.outgoing.formats import DEFAULT, FORMATS


class Command(BaseCommand):
    help = (
        "Export the labeled items, one row each, with every annotation and where it came from. The file appears under "
        "its name only when it is whole. Columns: docs/reference/export.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument(
            "--format",
            choices=list(FORMATS),
            help=f"Left out, it follows from the ending of the output file, and is {DEFAULT} otherwise.",
        )
        parser.add_argument("--output", default="-", metavar="PATH", help="The file to write; - is standard output.")
        parser.add_argument("--batch", metavar="N", help="Only these batches: 3, or 2-5, or 1,4,6- (6 and all later).")
        parser.add_argument("--control", metavar="only|without", help="Only control items, or all others.")
        parser.add_argument("--agreement", metavar="SHARE", help="Only labels of at least this agreement, 0 to 1.")
        when = "a day in UTC (2026-03-01) or a time with its zone (2026-03-01T14:30+01:00)."
        parser.add_argument("--since", metavar="TIME", help=f"Only what was labeled then or later: {when}")
        parser.add_argument("--until", metavar="TIME", help=f"Only what was labeled earlier, or on that day: {when}")
        parser.add_argument("--skipped", action="store_true", help="Also items that everybody skipped, without label.")
        parser.add_argument("--copies", action="store_true", help="Also near-copies, with the label of another item.")
        parser.add_argument("--excluded", action="store_true", help="Also items that were excluded or deleted.")

    def handle(self, *args: Any, slug: str, format: str | None, output: str, **options: Any) -> None:
        project = project_named(slug)
        try:
            choice = choose(project, {name: options[name] for name in FILTERS})
        except ChoiceError as error:
            name, text = next(iter(error.fields.items()))
            raise CommandError(f"--{name}: {text}") from None
        name = format or format_of(output)
        if output == "-":
            to_standard_output(self.stdout, export(project, name, choice), name)
            return
        total = count_rows(project, choice)
        with (
            written_whole(Path(output)) as file,
            tqdm(total=total, unit=" rows", unit_scale=True, disable=None, leave=False) as bar,
        ):
            written = Written(bar.update)
            for chunk in export(project, name, choice, progress=written.add):
                file.write(chunk)
        self.stdout.write(f"{written.rows} {'row' if written.rows == 1 else 'rows'} written to {output}")


class Written:
    """Counts rows: answers may come in while they are written, so that the number is known only at the end."""

    def __init__(self, tell: Callable[[int], Any]) -> None:
        self.rows = 0
        self._tell = tell

    def add(self, rows: int) -> None:
        self.rows += rows
        self._tell(rows)
