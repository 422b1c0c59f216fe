"""Compares stored counters with the rows they count, and corrects wrong counters."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from labeling.management.shared import project_named
from labeling.models import Batch
from labeling.steps.running.sweeps import recount


class Command(BaseCommand):
    help = (
        "Compare the counters that pages read with the annotations and labels that they count, and mend those that "
        "differ. The worker does this once a day; people can go on labeling meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", nargs="?", help="The project. All projects without one.")

    def handle(self, *args: Any, slug: str | None = None, **options: Any) -> None:
        batches = project_named(slug).batches.all() if slug else Batch.objects.all()
        lines = [line for batch in batches.select_related("project").order_by("pk") for line in recount(batch)]
        for line in lines:
            self.stdout.write(line)
        if not lines:
            self.stdout.write("All counters are right.")
