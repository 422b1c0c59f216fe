"""Hands in predictions of your own model."""

from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labeling.intake.prediction_sets import PredictionsRefused, register
from labeling.loop.step import Step
from labeling.management.shared import project_named
from labeling.models import PredictionSet
from labeling.models.jobs import worker_name
from labeling.steps.given import given
from labeling.steps.running.worker import Worker


class Command(BaseCommand):
    requires_system_checks = ()  # they load the pages, which takes a second
    help = (
        "Hand in predictions of your own model for the items of a project: they become a model version, which picks "
        "batches. The file is .npz, Parquet, JSON lines, JSON or CSV: docs/reference/prediction-sets.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="The project.")
        parser.add_argument("path", type=Path, metavar="PATH", help="The file.")
        parser.add_argument(
            "--strict",
            action=BooleanOptionalAction,
            default=True,
            help="Refuse predictions that do not cover all items of the pool. With --no-strict, the items behind the "
            "last predicted one wait for newer predictions.",
        )

    def handle(self, *args: Any, slug: str, path: Path, strict: bool, **options: Any) -> None:
        project = project_named(slug)
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        try:
            handed = register(project=project, path=path.absolute(), taken_by=worker_name(), strict=strict)
        except PredictionsRefused as error:
            raise CommandError(str(error)) from error
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        assert handed.job is not None
        Worker(given).execute(Step(handed.job, gives_way=False))
        handed = PredictionSet.objects.select_related("version", "job").get(pk=handed.pk)
        if handed.state == PredictionSet.State.FAILED:
            raise CommandError(handed.reason)
        if handed.version is None:
            self.stdout.write("Items are still coming in: a worker reads the predictions after them.")
            return
        left_out = f", {handed.left_out} items left out" if handed.left_out else ""
        held = ", held back by the gate" if handed.version.held_back else ""
        self.stdout.write(
            f"{path.name}: predictions for {handed.items} items are version {handed.version.number}{left_out}{held}"
        )
