"""Imports items from files, in the foreground."""

import gc
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from labeling.intake import parked
from labeling.intake.drafts import Rejection
from labeling.intake.readers import UnreadableFile
from labeling.intake.readers.layout import OPTIONS, Layout, LayoutError
from labeling.intake.rejecting import KEPT, by_number
from labeling.intake.run import import_items, rules_of
from labeling.intake.uploads import register
from labeling.kinds.wording import excerpt
from labeling.loop.step import Step
from labeling.management.shared import project_named
from labeling.models import ItemImport, Job, Project
from labeling.models.jobs import worker_name
from labeling.outgoing.formats.csv import csv_lines
from labeling.steps.running.worker import Worker

SHOWN_REJECTIONS = 5


class TerminalStep(Step):
    """A step that also updates a progress bar."""

    def __init__(self, job: Job, bar: tqdm) -> None:
        super().__init__(job, gives_way=False)
        self._bar = bar

    def report(self, phase: str, share: float, detail: str = "") -> None:
        self._bar.set_description(phase, refresh=False)
        self._bar.update(max(0.0, round(share, 4) - self._bar.n))
        super().report(phase, share, detail)


class Command(BaseCommand):
    requires_system_checks = ()  # they load the pages, which takes a second
    help = (
        "Import items from CSV, TSV, JSONL, JSON, Parquet, Arrow, .xlsx, .npy vectors, .tar samples, or a folder or "
        "zip of files or shards. Bad rows are rejected with the reason; the rest goes in. A worker, or the same "
        "command again, continues an import that was killed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="Files or folders.")
        parser.add_argument("--preview", action="store_true", help="Print the first rows as items, and import nothing.")
        parser.add_argument("--add-classes", action="store_true", help="Short for --unknown-labels add.")
        parser.add_argument("--strict", action="store_true", help="Refuse a file as a whole if any row is bad.")
        parser.add_argument("--truth", type=Path, help="Known answers of a .npy file: .npy, .csv or .txt, a row each.")
        for name, text in OPTIONS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", default="", help=text.replace("%", "%%"))
        parser.add_argument("--rejected", type=Path, help=f"Write the first {KEPT:,} rejected rows to this CSV file.")

    def handle(
        self,
        *args: Any,
        slug: str,
        paths: list[Path],
        strict: bool,
        truth: Path | None,
        rejected: Path | None,
        **options: Any,
    ) -> None:
        project = project_named(slug)
        if options["add_classes"]:
            options["unknown_labels"] = "add"
        try:
            layout = Layout.read(options)
        except LayoutError as error:
            raise CommandError(f"--{error.option.replace('_', '-')}: {error}") from error
        for path in [*paths, *([truth] if truth else [])]:
            if not path.exists():
                raise CommandError(f"{path}: this file or folder does not exist.")
        if options["preview"]:
            for path in paths:
                self._preview(project, path.resolve(), layout)
            return
        truth_path = truth.resolve() if truth else None
        if getattr(self, "_called_from_command_line", False):  # Django sets it; tests go on after the import
            gc.freeze()  # the garbage collector need not look again and again at all that is loaded
        imports = [self._import(project, path.resolve(), strict, truth_path, layout) for path in paths]
        if rejected:
            self._write_rejected(imports, rejected)
        refused = [each for each in imports if each.state != ItemImport.State.DONE]
        if refused:
            raise CommandError(refused[0].reason or f"{refused[0].name} was not imported: see the log above.")

    def _preview(self, project: Project, path: Path, layout: Layout) -> None:
        try:
            rules = rules_of(project, allow_files=True, blind_ids=True)
            look = parked.look_into(path, rules, layout, name=path.name, guessing=True)
        except UnreadableFile as error:
            raise CommandError(str(error)) from error
        if look.problem:
            raise CommandError(look.problem)
        for name, value in look.layout.stored().items():
            self.stdout.write(f"--{name.replace('_', '-')} {value if isinstance(value, str) else ','.join(value)}")
        for row in look.first:
            shown = row.item.reason if isinstance(row.item, Rejection) else {**row.item.data, "label": row.label}
            self.stdout.write(f"  {row.where}: {excerpt(str(shown))}")
        rows = "" if look.counts.whole else "at least "
        self.stdout.write(f"{path.name}: {rows}{look.counts.rows} rows, {look.counts.labels} labels")
        for sentence in look.counts.recognized:
            self.stdout.write(f"  {sentence}")
        if look.counts.unknown:
            self.stdout.write(f"  no classes: {excerpt(', '.join(look.counts.unknown))}; --add-classes adds them")
        for column in look.counts.telling:
            self.stdout.write(f"  {column} holds the label: --leave-out hides a column from annotators")

    def _import(self, project: Project, path: Path, strict: bool, truth: Path | None, layout: Layout) -> ItemImport:
        job = self._job(project, path, strict, truth, layout)
        classes = set(project.classes.values_list("name", flat=True))
        item_import = job.item_import
        with tqdm(total=1.0, disable=None, bar_format="{desc}: {percentage:3.0f}%|{bar}| {remaining} left") as bar:
            Worker(import_items).execute(TerminalStep(job, bar))
        item_import.refresh_from_db()
        job.refresh_from_db()
        if job.state == Job.State.FAILED:
            raise CommandError(f"{path.name}: {job.reason}")
        self.stdout.write(f"{path.name}: {item_import.accepted} items imported, {item_import.rejected} rows rejected")
        names = project.classes.order_by("index").values_list("name", flat=True)
        if added := [name for name in names if name not in classes]:
            self.stdout.write(f"  added {', '.join(added)}")
        if item_import.labeled:
            self.stdout.write(f"  {item_import.labeled} labels imported: the worker trains on them")
        for row in item_import.rejected_rows.all()[:SHOWN_REJECTIONS]:
            self.stdout.write(f"  {row.where}: {row.reason}")
        if item_import.rejected > SHOWN_REJECTIONS:
            some = "all of them" if item_import.rejected <= KEPT else f"the first {KEPT:,} of them"
            self.stdout.write(f"  … `--rejected FILE` writes {some}")
            for reason, n in by_number(item_import):
                self.stdout.write(f"  {n:,} times: {reason}")
        return item_import

    def _job(self, project: Project, path: Path, strict: bool, truth: Path | None, layout: Layout) -> Job:
        """Return a held job for the import: an unfinished job of this path, or a new one."""
        name = worker_name()
        unfinished = Job.objects.exclude(state=Job.State.DONE).filter(
            item_import__project=project,
            item_import__path=str(path),
            item_import__strict=strict,
            item_import__layout=layout.stored(),
        )
        Worker(import_items).look_around()
        for job in unfinished:
            if job.state == Job.State.RUNNING:
                raise CommandError(f"{path.name} is being imported by another process right now.")
            if Job.objects.take(job, name, timezone.now()):
                self.stdout.write(f"{path.name}: going on behind record {job.item_import.position}")
                return job
        return register(
            project=project,
            user=None,
            path=path,
            name=path.name,
            strict=strict,
            layout=layout,
            truth_path=truth,
            taken_by=name,
        )

    def _write_rejected(self, imports: list[ItemImport], target: Path) -> None:
        with target.open("wb") as file:
            file.write(csv_lines([["file", "where", "reason", "excerpt"]]))
            for item_import in imports:
                for row in item_import.rejected_rows.iterator(chunk_size=1000):
                    file.write(csv_lines([[item_import.name, row.where, row.reason, row.excerpt]]))
