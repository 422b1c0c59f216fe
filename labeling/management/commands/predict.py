"""Predicts the items of a file with a model version."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError
from tqdm import tqdm

from labeling.intake.drafts import Rejection
from labeling.intake.readers import Source, UnreadableFile, open_source
from labeling.loop.step import ComputeAway, StepFailed
from labeling.management.shared import VersionCommand, format_of, to_standard_output, written_whole
from labeling.outgoing.formats import DEFAULT, FORMATS, Page
from labeling.outgoing.formats.csv import csv_lines
from labeling.steps.predict import Predictor

SHOWN_REJECTIONS = 5


class Command(VersionCommand):
    help = (
        "Predict the items of a file that could be imported: CSV, TSV, JSONL, JSON, Parquet, .npy vectors, or a folder "
        "or zip of files. They do not enter the project. Bad rows are named and left out, and the exit code is then "
        "1. Columns: docs/reference/predictions.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("input", type=Path, metavar="INPUT", help="A file or folder.")
        parser.add_argument("--output", required=True, metavar="OUT", help="The file to write; - is standard output.")
        parser.add_argument(
            "--format",
            choices=list(FORMATS),
            help=f"Left out, it follows from the ending of the output file, and is {DEFAULT} otherwise.",
        )
        parser.add_argument("--probabilities", action="store_true", help="Also the probability of every class.")
        parser.add_argument("--strict", action="store_true", help="Write nothing if any row is bad.")
        parser.add_argument("--rejected", type=Path, metavar="FILE", help="Write the bad rows to this CSV file.")

    def handle(self, *args: Any, slug: str, version: int | None, input: Path, output: str, **options: Any) -> None:
        project, model_version = self.find(slug, version)
        name = options["format"] or format_of(output)
        try:
            predictor = Predictor(project, model_version, probabilities=options["probabilities"], allow_files=True)
            with ExitStack() as stack:
                source = stack.enter_context(open_source(input, kind=project.kind))
                rejected = options["rejected"] and stack.enter_context(written_whole(options["rejected"]))
                bar = stack.enter_context(
                    tqdm(total=1.0, disable=None, bar_format="{percentage:3.0f}%|{bar}| {remaining} left")
                )
                run = _Run(predictor, source, bar, strict=options["strict"], rejected=rejected)
                chunks = FORMATS[name].write(run.pages(), predictor.shape.layout)
                if output == "-":
                    to_standard_output(self.stdout, chunks, name)
                else:
                    file = stack.enter_context(written_whole(Path(output)))
                    for chunk in chunks:
                        file.write(chunk)
        except (UnreadableFile, StepFailed, ComputeAway) as error:
            raise CommandError(str(error)) from error
        self._tell(run, model_version.number, output, listed=options["rejected"])

    def _tell(self, run: _Run, version: int, output: str, *, listed: Path | None) -> None:
        for each in run.first:
            self.stderr.write(f"{each.where}: {each.reason}")
        if output != "-":
            items = "item" if run.good == 1 else "items"
            self.stdout.write(f"{run.good} {items} predicted by version {version}, written to {output}")
        if run.bad:
            rows = "row was" if run.bad == 1 else "rows were"
            where = f"all are in {listed}" if listed else "`--rejected FILE` lists all of them"
            raise CommandError(f"{run.bad} bad {rows} left out: {where}.")


class _Run:
    """A pass over the file: pages of predicted rows, and counts of good and bad rows."""

    def __init__(
        self, predictor: Predictor, source: Source, bar: tqdm, *, strict: bool, rejected: IO[bytes] | None
    ) -> None:
        self.good = self.bad = 0
        self.first: list[Rejection] = []
        self._predictor, self._source, self._bar = predictor, source, bar
        self._strict, self._rejected = strict, rejected

    def pages(self) -> Iterator[Page]:
        if self._rejected:
            self._rejected.write(csv_lines([["where", "reason", "excerpt"]]))
        for part in self._predictor.chunks(self._source):
            if part.rejections:
                self._set_aside(part.rejections)
            self.good += len(part.rows)
            self._bar.update(max(0.0, round(self._source.position(), 4) - self._bar.n))
            yield part.rows

    def _set_aside(self, rejections: list[Rejection]) -> None:
        if self._strict:
            raise CommandError(f"Nothing was written: {rejections[0].where}: {rejections[0].reason}")
        self.bad += len(rejections)
        self.first += rejections[: SHOWN_REJECTIONS - len(self.first)]
        if self._rejected:
            self._rejected.write(csv_lines([each.where, each.reason, each.excerpt] for each in rejections))
