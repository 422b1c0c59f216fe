"""Logs model versions to MLflow."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from labeling.management.arguments import VersionCommand
from labeling.models import ModelVersion
from labeling.outgoing.tracking import Tracker, TrackingError
from labeling.projects.privacy import ledger


class Command(VersionCommand):
    help = (
        "Log model versions to MLflow: a run each, with settings, metrics, lineage and files. Versions that MLflow "
        "already has are left alone, so the command can be repeated. Needs `scripts/setup.sh requirements-export.txt`."
    )
    which = "The model version; all that are not there yet if left out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--uri", help="The tracking server; MLFLOW_TRACKING_URI if left out.")
        parser.add_argument("--experiment", default="", help="Its name there; the project's if left out.")

    def handle(
        self, *args: Any, slug: str, version: int | None, uri: str | None, experiment: str, **options: Any
    ) -> None:
        project, chosen = self.find(slug, version)
        uri = uri or settings.MLFLOW_TRACKING_URI
        if not uri:
            raise CommandError("Where is MLflow? Give --uri, or set MLFLOW_TRACKING_URI.")
        versions = project.versions.select_related("project", "batch", "parent").order_by("number")
        try:
            tracker = Tracker(project, uri=uri, experiment=experiment)
            for each in versions if version is None else versions.filter(pk=chosen.pk):
                if not ledger.may_be_downloaded(each):
                    raise CommandError(ledger.download_refusal(each))
                self.stdout.write(f"Version {each.number} {_log(tracker, each)}")
        except TrackingError as error:
            raise CommandError(str(error)) from error


def _log(tracker: Tracker, version: ModelVersion) -> str:
    """Log the version unless MLflow has it. Return the result in words."""
    if version.calibrating == ModelVersion.Calibrating.WAITING:
        return "is still to be calibrated: log it later"
    return "logged" if tracker.log(version) else "is there already"
