"""Makes, lists, verifies and compares dataset versions."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labeling.labels.items.filter import FilterError
from labeling.management.arguments import project_named
from labeling.models import DatasetVersion, Project
from labeling.outgoing.datasets.comparing import Comparison, compare
from labeling.outgoing.datasets.creating import create
from labeling.outgoing.datasets.verifying import verify
from labeling.outgoing.exports.choice import whole_dataset
from labeling.storage.disk.files import FileDamaged


class Command(BaseCommand):
    help = (
        "List the dataset versions of a project; make one, verify one, or compare two. A worker writes a new version. "
        "`export_labels --dataset NAME` exports its rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--make", action="store_true", help="Make a version of the present labels.")
        act.add_argument("--verify", metavar="NAME", help="Compare its files, and each row, with what was written.")
        act.add_argument("--compare", metavar="NAME", help="Count the differences from the version that --with names.")
        parser.add_argument(
            "--with", dest="earlier", default="", metavar="NAME", help="With --compare: the earlier one."
        )
        parser.add_argument("--name", default="", help="With --make. Left out: v and its number.")
        parser.add_argument("--note", default="", help="With --make.")
        parser.add_argument(
            "--filter", action="append", default=[], metavar="NAME=VALUE",
            help="With --make, any number of times: a filter of `export_labels`, such as copies=true.",
        )  # fmt: skip

    def handle(self, *args: Any, slug: str, make: bool, **options: Any) -> None:
        project = project_named(slug)
        if make:
            dataset = _made(project, options)
            self.stdout.write(f"A worker writes {dataset.name}.")
        elif options["verify"]:
            self._verify(_named(project, options["verify"]))
        elif options["compare"]:
            earlier, later = (_named(project, options[name]) for name in ("earlier", "compare"))
            try:
                self.stdout.write("\n".join(_compared(compare(earlier, later))))
            except FileDamaged as damage:
                raise CommandError(str(damage)) from None
        else:
            for each in project.datasets.all():
                self.stdout.write(f"{each.name}  {each.rows} rows  {each.digest or each.reason or each.state}")

    def _verify(self, dataset: DatasetVersion) -> None:
        if problems := verify(dataset, each_row=True):
            raise CommandError("\n".join(problems))
        self.stdout.write(f"{dataset.name} is whole: {dataset.rows} rows, {dataset.digest}.")
        for each in dataset.replaced:
            items = "1 item was" if each["removed"] == 1 else f"{each['removed']} items were"
            self.stdout.write(f"{items} erased on {each['replaced_at'][:10]}; its digest before was {each['sha256']}.")


def _made(project: Project, options: dict[str, Any]) -> DatasetVersion:
    filters = dict(text.partition("=")[::2] for text in options["filter"])
    try:
        return create(project, None, name=options["name"], note=options["note"], filters=filters)
    except FilterError as error:
        raise CommandError(f"--filter: {' '.join(error.fields.values())}") from None
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None


def _named(project: Project, name: str) -> DatasetVersion:
    try:
        return whole_dataset(project, name)
    except LookupError as error:
        raise CommandError(str(error)) from None


def _compared(found: Comparison) -> Iterator[str]:
    yield (
        f"{found.added} items added, {found.removed} removed, {found.relabeled} with another label, "
        f"{found.otherwise_changed} otherwise changed"
    )
    for each in found.classes:
        yield (
            f"{each.name}: {each.before} -> {each.after} rows ({each.added} added, {each.removed} removed, "
            f"{each.gained} from other labels, {each.lost} to other labels)"
        )
