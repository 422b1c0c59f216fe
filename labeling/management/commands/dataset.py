"""Verifies and compares dataset versions of any size: a web process compares two million rows, and verifies no rows."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.management.shared import project_named
from labeling.models import DatasetVersion, Project
from labeling.outgoing.datasets import comparing, manifest
from labeling.outgoing.exports.choice import whole_dataset
from labeling.storage.disk.files import FileDamaged


class Command(BaseCommand):
    help = "Verify a dataset version with each of its rows, or compare two, however many rows they have."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        act = parser.add_mutually_exclusive_group(required=True)
        act.add_argument("--verify", metavar="NAME", help="Compare its files, and each row, with what was written.")
        act.add_argument("--compare", metavar="NAME", help="Count the differences from the version that --with names.")
        parser.add_argument(
            "--with", dest="earlier", default="", metavar="NAME", help="With --compare: the earlier one."
        )

    def handle(self, *args: Any, slug: str, verify: str | None, compare: str, earlier: str, **options: Any) -> None:
        project = project_named(slug)
        if verify:
            self._verify(_named(project, verify))
            return
        try:
            found = comparing.compare(_named(project, earlier), _named(project, compare))
        except FileDamaged as damage:
            raise CommandError(str(damage)) from None
        self.stdout.write("\n".join(_compared(found)))

    def _verify(self, dataset: DatasetVersion) -> None:
        if problems := manifest.verify(dataset, each_row=True):
            raise CommandError("\n".join(problems))
        self.stdout.write(f"{dataset.name} is whole: {dataset.rows} rows, {dataset.digest}.")
        for each in dataset.replaced:
            items = "1 item was" if each["removed"] == 1 else f"{each['removed']} items were"
            self.stdout.write(f"{items} erased on {each['replaced_at'][:10]}; its digest before was {each['sha256']}.")


def _named(project: Project, name: str) -> DatasetVersion:
    try:
        return whole_dataset(project, name)
    except LookupError as error:
        raise CommandError(str(error)) from None


def _compared(found: comparing.Comparison) -> Iterator[str]:
    yield (
        f"{found.added} items added, {found.removed} removed, {found.relabeled} with another label, "
        f"{found.otherwise_changed} otherwise changed"
    )
    for each in found.classes:
        yield (
            f"{each.name}: {each.before} -> {each.after} rows ({each.added} added, {each.removed} removed, "
            f"{each.gained} from other labels, {each.lost} to other labels)"
        )
